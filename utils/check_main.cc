// runnel-check: looks at the files of a server, with the server's own eyes. README.md tells more.

#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <iostream>
#include <limits>

#include "base/version.h"
#include "env/posix/posix_disk.h"
#include "utils/check_directory.h"
#include "utils/check_journal.h"

namespace runnel::check {
namespace {

struct Options {
  JournalOptions journal;
  std::optional<std::string> key;
  std::optional<Position> cut;
  bool yes = false;
  bool full = false;
  bool new_node_id = false;
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

int Report(const Result<bool>& good) {
  std::cout.flush();
  if (good.ok()) return *good ? 0 : 1;
  fmt::print(stderr, "runnel-check: {}\n", good.message());
  return 2;
}

// Exit codes: 0 all is good, 1 something is damaged, 2 nothing is there, or it could not be looked
// at or done.
int Run(Options options) {
  Disk& disk = SystemDisk();
  const DirectoryKind kind = KindOfDirectory(disk, options.journal.directory);
  if (kind == DirectoryKind::kNothing) {
    fmt::print(
        stderr,
        "runnel-check: {}: there is neither a journal nor a snapshot; it takes the data "
        "directory of a server (`dir`), the directory of a journal, or a file of frames that "
        "were cut off or set aside\n",
        options.journal.directory);
    return 2;
  }
  if (options.new_node_id) {
    const auto id = GiveNewNodeId(disk, options.journal.directory);
    if (!id.ok()) {
      fmt::print(stderr, "runnel-check: {}\n", id.message());
      return 2;
    }
    fmt::print("{}: the node id is {} now\n", options.journal.directory, *id);
    return 0;
  }
  if (kind == DirectoryKind::kServer) {
    if (!options.cut && !options.journal.dump && !options.journal.from) {
      ProgressBar progress(isatty(STDERR_FILENO) == 1);
      return Report(CheckDirectory(
          disk, {options.journal.directory}, [&](double share) { progress.Show(share); },
          std::cout));
    }
    // These are about the journal.
    options.journal.directory += "/journal";
  }
  if (kind == DirectoryKind::kDropped) {
    if (!options.cut) {
      return Report(CheckDropped(disk, options.journal, PrinterFor(options), std::cout));
    }
    fmt::print(stderr, "runnel-check: {}: only a journal can be cut\n", options.journal.directory);
    return 2;
  }
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
  return Report(whole);
}

int Main(int argc, char** argv) {
  CLI::App app(
      "Verifies what a server keeps in its directory; shows and cuts journals. Changes nothing "
      "unless --cut and --yes, or --new-node-id, are given. Exit codes: 0 all is good, 1 something "
      "is damaged, 2 "
      "nothing is there or it cannot be read.",
      "runnel-check");
  Options options;
  app.add_option(
         "directory", options.journal.directory,
         "the data directory of a server (`dir`), the directory of a journal, or a file of "
         "frames that were cut off (journal/dropped/*.frames) or set aside because they are "
         "damaged (journal/*.log.damaged)")
      ->required();
  app.set_version_flag("--version", fmt::format("runnel-check {}", kVersion));
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
  app.add_flag(
         "--new-node-id", options.new_node_id,
         "give the directory, which is a copy of that of another server, a node id of its own")
      ->excludes(cut)
      ->excludes(dump);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  options.journal.dump |= options.key.has_value();
  return Run(options);
}

}  // namespace
}  // namespace runnel::check

int main(int argc, char** argv) {
  return runnel::check::Main(argc, argv);
}
