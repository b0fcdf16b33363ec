#include "cli/command_line.h"

#include <CLI/CLI.hpp>
#include <iostream>

#include "base/config.h"

namespace conclave::cli {

struct CommandLine::Inside {
  Inside(const std::string& about, const std::string& command) : app(about, command) {}
  CLI::App app;
};

CommandLine::CommandLine(const std::string& command, const std::string& about)
    : inside_(std::make_unique<Inside>(about, command)) {
  inside_->app.get_formatter()->column_width(34);
  inside_->app.set_help_flag("--help,-h", "show this");
}

CommandLine::~CommandLine() = default;

void CommandLine::option(const std::string& name, std::string& into, const std::string& help) {
  inside_->app.add_option(name, into, help)->take_last();
}

void CommandLine::option(const std::string& name, unsigned& into, unsigned least, unsigned most,
                         const std::string& help) {
  const std::string range = ", " + std::to_string(least) + " to " + std::to_string(most);
  inside_->app.add_option(name, into, help + range)
      ->check(CLI::Range(least, most).description(""))
      ->take_last()
      ->type_name("N");
}

void CommandLine::option(const std::string& name, Duration& into, const std::string& help) {
  inside_->app
      .add_option_function<std::string>(
          name,
          [&into, name](const std::string& text) {
            auto value = parse_duration(text);
            if (!value) throw CLI::ValidationError(name, value.error().message);
            into = *value;
          },
          help)
      ->take_last()
      ->type_name("TIME");
}

void CommandLine::option(const std::string& name, std::vector<std::string>& into, const std::string& help) {
  inside_->app.add_option(name, into, help)->delimiter(',')->allow_extra_args(false)->type_name("A,B,…");
}

void CommandLine::required(const std::string& name, std::string& into, const std::string& help) {
  inside_->app.add_option(name, into, help)->take_last()->required();
}

void CommandLine::flag(const std::string& name, bool& into, const std::string& help) {
  inside_->app.add_flag(name, into, help);
}

void CommandLine::argument(const std::string& name, std::string& into, const std::string& help) {
  inside_->app.add_option(name, into, help)->required();
}

void CommandLine::optional_argument(const std::string& name, std::string& into, const std::string& help) {
  inside_->app.add_option(name, into, help);
}

std::optional<int> CommandLine::parse(const Arguments& args) {
  try {
    inside_->app.parse(Arguments(args.rbegin(), args.rend()));  // CLI11 takes them from the back
    return std::nullopt;
  } catch (const CLI::CallForHelp&) {
    std::cout << inside_->app.help();
    return kDone;
  } catch (const CLI::ParseError& error) {
    return wrong(error.what());
  }
}

int CommandLine::wrong(const std::string& what) const {
  std::cerr << inside_->app.get_name() << ": " << what << "\nSee " << inside_->app.get_name() << " --help\n";
  return kUsage;
}

}  // namespace conclave::cli
