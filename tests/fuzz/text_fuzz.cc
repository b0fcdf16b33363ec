#include "base/canonical.h"
#include "base/check.h"
#include "base/config.h"
#include "tests/fuzz/fuzz_targets.h"

namespace conclave::fuzz {

// The input is read with the calls that its own bytes name; what is read is written again and must be the same.
void canonical(ByteView input) {
  if (input.empty()) return;
  const std::size_t steps = input[0] % 16;
  if (input.size() < 1 + steps) return;
  const ByteView script = input.subspan(1, steps);
  const ByteView body = input.subspan(1 + steps);
  CanonicalReader reader(body);
  CanonicalWriter writer;
  for (const std::uint8_t step : script) {
    switch (step % 7) {
      case 0:
        writer.u8(reader.u8());
        break;
      case 1:
        writer.u16(reader.u16());
        break;
      case 2:
        writer.u32(reader.u32());
        break;
      case 3:
        writer.u64(reader.u64());
        break;
      case 4:
        writer.raw(reader.raw(step));
        break;
      case 5:
        writer.lv(reader.lv(step));
        break;
      default:
        writer.u32(reader.count(step, 1));
        break;
    }
  }
  if (reader.finish("input")) CHECK(text_of(writer.bytes()) == text_of(body));
}

// A text that is accepted is the only one for its bytes, but for the case of hexadecimal digits.
void text_forms(ByteView input) {
  const std::string_view text = text_of(input);
  if (const auto bytes = from_base64(text)) CHECK(to_base64(*bytes) == text);
  if (const auto bytes = from_base64url(text)) CHECK(to_base64url(*bytes) == text);
  if (const auto bytes = from_hex(text)) CHECK(to_hex(*bytes).size() == text.size());
  CHECK(string_of(*from_base64(to_base64(input))) == text);
  CHECK(string_of(*from_base64url(to_base64url(input))) == text);
  CHECK(string_of(*from_hex(to_hex(input))) == text);
}

void config(ByteView input) {
  auto parsed = Config::parse(string_of(input), "fuzz.toml");
  if (!parsed) return;
  parsed->text("name");
  parsed->text("tls.certificate", "none");
  CHECK(parsed->number("limits.least", 5, 1, 10) <= 10);
  parsed->duration("term", std::chrono::seconds(30), std::chrono::seconds(5), std::chrono::seconds(120));
  parsed->flag("on", true);
  parsed->texts("peers");
  static_cast<void>(parsed->finish());
}

}  // namespace conclave::fuzz
