#include "cli/passphrase.h"

#include <fcntl.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/check.h"
#include "cli/context.h"

namespace conclave::cli {
namespace {

constexpr std::size_t kMaxPassphraseBytes = 1024;
constexpr std::uint8_t kCtrlC = 3, kCtrlD = 4, kBackspace = 8, kCtrlU = 21, kDelete = 127;

// The terminal in a state in which it neither shows nor interprets what is typed; as it was when destroyed. Ctrl-C
// comes as a character: nobody who interrupts is left with a terminal that stays silent.
class SilentTerminal {
 public:
  explicit SilentTerminal(int descriptor) : descriptor_(descriptor) {
    tcgetattr(descriptor_, &before_);
    termios silent = before_;
    silent.c_lflag &= ~static_cast<tcflag_t>(ECHO | ECHONL | ICANON | ISIG | IEXTEN);
    tcsetattr(descriptor_, TCSAFLUSH, &silent);
  }
  SilentTerminal(const SilentTerminal&) = delete;
  ~SilentTerminal() {
    tcsetattr(descriptor_, TCSAFLUSH, &before_);
    close(descriptor_);
  }
  void say(std::string_view text) const { static_cast<void>(!write(descriptor_, text.data(), text.size())); }
  // False at the end of input.
  bool read_byte(std::uint8_t& byte) const {
    ssize_t n = -1;
    do {
      n = read(descriptor_, &byte, 1);
    } while (n < 0 && errno == EINTR);
    return n == 1;
  }

 private:
  int descriptor_;
  termios before_{};
};

Result<SecretBytes> read_line(const SilentTerminal& terminal, const std::string& prompt) {
  terminal.say(prompt + ": ");
  SecretBytes line(kMaxPassphraseBytes);
  std::size_t size = 0;
  for (std::uint8_t byte = 0; terminal.read_byte(byte) && byte != '\n' && byte != '\r' && byte != kCtrlD;) {
    if (byte == kCtrlC) {
      terminal.say("\n");
      return Error(Errc::kInterrupted, "interrupted; nothing was done");
    }
    if (byte == kCtrlU) {
      size = 0;
    } else if (byte == kBackspace || byte == kDelete) {
      size -= size > 0 ? 1 : 0;
    } else if (size < kMaxPassphraseBytes) {
      line.span()[size++] = byte;
    }
  }
  terminal.say("\n");
  line.shrink(size);
  return line;
}

Result<SecretBytes> from_file(Files& files, const std::string& path) {
  auto file = files.open(path, OpenMode::kRead);
  if (!file) return in_context("CONCLAVE_PASSPHRASE_FILE", std::move(file).error());
  SecretBytes line(kMaxPassphraseBytes);
  const std::size_t size = TRY((*file)->read_at(0, line.span()));
  const auto end = std::find(line.view().begin(), line.view().begin() + static_cast<std::ptrdiff_t>(size), '\n');
  line.shrink(static_cast<std::size_t>(end - line.view().begin()));
  return line;
}

Result<SecretBytes> ask(Files& files, const std::string& what, bool twice) {
  const std::string path = environment("CONCLAVE_PASSPHRASE_FILE");
  SecretBytes line;
  if (!path.empty()) {
    line = TRY(from_file(files, path));
  } else {
    const int descriptor = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    if (descriptor < 0) {
      return Error(Errc::kNotFound, "a passphrase is needed and there is no terminal to ask on; "
                                    "put it into a file and name that in CONCLAVE_PASSPHRASE_FILE");
    }
    const SilentTerminal terminal(descriptor);
    line = TRY(read_line(terminal, what));
    if (twice && !(TRY(read_line(terminal, "Once more")) == line)) {
      return Error(Errc::kInvalid, "the two differ; nothing was done, try again");
    }
  }
  if (line.empty()) return Error(Errc::kInvalid, "an empty passphrase protects nothing; choose one");
  return line;
}

}  // namespace

Result<SecretBytes> ask_passphrase(Files& files, const std::string& what) { return ask(files, what, false); }
Result<SecretBytes> ask_new_passphrase(Files& files, const std::string& what) { return ask(files, what, true); }

}  // namespace conclave::cli
