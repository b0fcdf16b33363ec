#include <iostream>

#include "cli/cluster_init.h"
#include "cli/commands.h"
#include "fileserver/file_main.h"

namespace conclave::cli {
namespace {

Status join(Context& context, const std::string& given, const std::string& data, const std::string& listen) {
  const std::string text = TRY(context.token_text(given));
  const JoinToken token = TRY(JoinToken::parse(text));
  return install_file_server(context, token, data, listen);
}

}  // namespace

int run_fileserver(Context& context, const Arguments& args) {
  std::string config, data, token, listen;
  CommandLine line("conclave fileserver", "Runs a file server until it is told to stop (SIGTERM, Ctrl-C).");
  line.option("--data", data, "its folder, made on the first start");
  line.option("--join", token, "a token of `conclave token fileserver`, on the first start; @FILE or - to read it");
  line.option("--listen", listen, "HOST:PORT to listen at, on the first start; otherwise chosen");
  line.option("--config", config, "its configuration; otherwise DATA/fileserver.toml");
  if (const auto code = line.parse(args)) return *code;
  if (data.empty() == config.empty()) return line.wrong("give either --data or --config");
  if (config.empty()) {
    data = absolute_path(data);
    config = data + "/fileserver.toml";
  }
  if (!token.empty()) {
    if (const Status joined = join(context, token, data, listen); !joined) return Context::finish("fileserver", joined);
  } else if (!context.files().exists(config).value_or(false)) {
    return Context::finish("fileserver", Error(Errc::kNotFound, config + " is missing: a new file server needs --join TOKEN, "
                                                                         "which `conclave token fileserver` prints"));
  }
  return file::run_fileserver({"--config", config});
}

}  // namespace conclave::cli
