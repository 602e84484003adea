// runnel-check: looks at the files of a server, with the server's own eyes. README.md tells more.

#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <iostream>
#include <limits>

#include "env/posix/posix_disk.h"
#include "utils/check_journal.h"

namespace runnel::check {
namespace {

struct Options {
  JournalOptions journal;
  std::optional<std::string> key;
  std::optional<Position> cut;
  bool yes = false;
  bool full = false;
  bool hex = false;
};

// A line that is written over, on a terminal only.
class ProgressBar {
 public:
  explicit ProgressBar(bool on) : on_(on) {}
  ~ProgressBar() {
    if (percent_ >= 0) std::fputs("\r\x1b[K", stderr);
  }
  void Show(double share) {
    const int percent = static_cast<int>(share * 100);
    if (!on_ || percent == percent_) return;
    percent_ = percent;
    fmt::print(stderr, "\rchecked [{:<50}] {:>3} %", std::string(percent / 2, '#'), percent);
    std::fflush(stderr);
  }

 private:
  const bool on_;
  int percent_ = -1;
};

PrintPayload PrinterFor(const Options& options) {
  constexpr size_t kNoLimit = std::numeric_limits<size_t>::max();
  constexpr size_t kShortBytes = 256;
  if (options.hex) return HexPrinter(options.full ? kNoLimit : kShortBytes);
  const DescribeLimits limits =
      options.full ? DescribeLimits{kNoLimit, kNoLimit} : DescribeLimits{};
  return EffectPrinter(limits, options.key);
}

// Exit codes: 0 whole, 1 not whole, 2 it could not be looked at or done.
int Run(const Options& options) {
  Disk& disk = SystemDisk();
  if (options.cut) {
    const Status cut =
        CutJournal(disk, options.journal.directory, *options.cut, options.yes, std::cout);
    std::cout.flush();
    if (cut.ok()) return 0;
    fmt::print(stderr, "runnel-check: {}\n", cut.message());
    return 2;
  }
  // Not among the frames that are shown on the same terminal.
  const bool mixed = options.journal.dump && isatty(STDOUT_FILENO) == 1;
  ProgressBar progress(!mixed && isatty(STDERR_FILENO) == 1);
  const auto whole = CheckJournal(
      disk, options.journal, PrinterFor(options), [&](double share) { progress.Show(share); },
      std::cout);
  std::cout.flush();
  if (whole.ok()) return *whole ? 0 : 1;
  fmt::print(stderr, "runnel-check: {}\n", whole.message());
  return 2;
}

int Main(int argc, char** argv) {
  CLI::App app(
      "Shows, verifies and cuts journals. Changes nothing unless --cut and --yes are given.",
      "runnel-check");
  Options options;
  app.add_option("directory", options.journal.directory,
                 "the directory of the segments: <dir>/journal")
      ->required();
  app.add_option("--from", options.journal.from, "begin at this position, where a frame begins");
  CLI::Option* dump =
      app.add_flag("--dump", options.journal.dump, "show each frame and the effects in it");
  app.add_option("--key", options.key,
                 "show only what concerns this key: the effects that name it, or whole databases");
  CLI::Option* hex = app.add_flag("--hex", options.hex, "with --dump: bytes instead of effects");
  hex->needs(dump)->excludes("--key");
  app.add_flag("--full", options.full, "show long strings, lists and frames to their end");
  CLI::Option* cut = app.add_option("--cut", options.cut,
                                    "drop everything from this position on, where a frame begins");
  app.add_flag("--yes", options.yes, "do it")->needs(cut);
  CLI11_PARSE(app, argc, argv);
  options.journal.dump |= options.key.has_value();
  return Run(options);
}

}  // namespace
}  // namespace runnel::check

int main(int argc, char** argv) {
  return runnel::check::Main(argc, argv);
}
