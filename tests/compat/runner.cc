#include "tests/compat/runner.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "tests/compat/mirror.h"
#include "tests/compat/view.h"
#include "tests/support/quote.h"

namespace runnel::compat {
namespace {

using test::Reply;
using Kind = Reply::Kind;

std::string CommandName(const std::vector<Frame>& frames) {
  for (const Frame& frame : frames) {
    if (!frame.command.empty()) return frame.command[0];
  }
  return "";
}

std::vector<Frame> Of(char connection, const std::vector<Frame>& frames) {
  std::vector<Frame> own;
  for (const Frame& frame : frames) {
    if (frame.connection == connection) own.push_back(frame);
  }
  return own;
}

// The replies from the one at `first` on.
std::string Texts(const std::vector<Frame>& frames, size_t first = 0) {
  std::string text;
  for (size_t i = first; i < frames.size(); ++i) {
    if (i > first) text += ' ';
    text += test::ToText(frames[i].reply);
  }
  return text.empty() ? "(nothing)" : text;
}

// For people: what a difference is about seldom needs all of a long reply.
std::string Shortened(const std::string& text) {
  constexpr size_t kShown = 1500;
  return text.size() <= kShown ? text : text.substr(0, kShown) + "...";
}

bool IsMessage(const Frame& frame) {
  if (frame.reply.kind != Kind::kPush || frame.reply.items.empty()) return false;
  const std::string& kind = frame.reply.items[0].text;
  return kind == "message" || kind == "pmessage" || kind == "smessage";
}

// Whether both are the same message, received for one pattern or another.
bool SameMessage(const Reply& a, const Reply& b) {
  return a.items.size() == 4 && b.items.size() == 4 && a.items[0].text == "pmessage" &&
         b.items[0].text == "pmessage" && a.items[2] == b.items[2] && a.items[3] == b.items[3];
}

// Whether `text` is `pattern`, whose every <any> stands for anything.
bool Matches(std::string_view pattern, std::string_view text) {
  constexpr std::string_view kAny = "<any>";
  const size_t any = pattern.find(kAny);
  if (any == std::string_view::npos) return pattern == text;
  if (text.substr(0, any) != pattern.substr(0, any)) return false;
  const std::string_view rest = pattern.substr(any + kAny.size());
  for (size_t at = any; at <= text.size(); ++at) {
    if (Matches(rest, text.substr(at))) return true;
  }
  return false;
}

// An expectation that holds for both protocols is written as RESP2 has it; only the two nulls of
// RESP2 cannot be told apart in RESP3.
std::string Lowered(std::string expected) {
  constexpr std::string_view kNullArray = "nil-array";
  for (size_t at = 0; (at = expected.find(kNullArray, at)) != std::string::npos;) {
    expected.replace(at, kNullArray.size(), "nil");
  }
  return expected;
}

}  // namespace

bool Runner::Reset() {
  return ours_->Reset() && (theirs_ == nullptr || theirs_->Reset());
}

std::optional<Mismatch> Runner::Run(const Script& script, int protocol) {
  for (size_t first = 0; first < script.size();) {
    size_t end = first + 1;
    const auto goes_on = [&] {
      return script[end - 1].more && !script[first].Has("mirror") && !script[end].Has("mirror");
    };
    while (end < script.size() && goes_on())
      ++end;
    const Script pipeline(script.begin() + static_cast<ptrdiff_t>(first),
                          script.begin() + static_cast<ptrdiff_t>(end));
    std::optional<Mismatch> mismatch = RunPipeline(pipeline, first, protocol);
    if (mismatch.has_value()) return mismatch;
    first = end;
  }
  return std::nullopt;
}

std::optional<Mismatch> Runner::RunPipeline(const Script& pipeline, size_t first, int protocol) {
  std::vector<Frame> ours;
  std::vector<Frame> theirs;
  if (pipeline[0].Has("mirror")) {
    std::optional<Mismatch> mismatch = RunMirrored(pipeline[0], &ours, &theirs);
    if (mismatch.has_value()) {
      mismatch->step = first;
      return mismatch;
    }
  } else {
    ours_->Send(pipeline);
    if (theirs_ != nullptr) theirs_->Send(pipeline);
    ours = ours_->Collect();
    if (theirs_ != nullptr) theirs = theirs_->Collect();
  }
  if (trace_) Trace(pipeline, ours, theirs);

  std::set<std::pair<char, size_t>> expected;  // connection and step
  for (size_t i = 0; i < pipeline.size(); ++i) {
    for (const Expectation& expectation : pipeline[i].expected) {
      if (expectation.protocol != 0 && expectation.protocol != protocol) continue;
      const auto of_step = [&](std::vector<Frame> frames) {
        frames = Of(expectation.connection, frames);
        frames.erase(std::remove_if(frames.begin(), frames.end(),
                                    [i](const Frame& frame) { return frame.step != i; }),
                     frames.end());
        return frames;
      };
      std::optional<Mismatch> mismatch =
          CheckExpectation(expectation, pipeline[i], of_step(ours), of_step(theirs), protocol);
      if (mismatch.has_value()) {
        mismatch->step = first + i;
        return mismatch;
      }
      if (!self_check_) expected.insert({expectation.connection, i});
    }
  }

  std::set<char> names;
  for (const Frame& frame : ours)
    names.insert(frame.connection);
  for (const Frame& frame : theirs)
    names.insert(frame.connection);
  for (const char name : names) {
    const auto compared = [&](const std::vector<Frame>& frames) {
      std::vector<Frame> kept;
      for (const Frame& frame : frames) {
        const bool judged = expected.count({frame.connection, frame.step}) > 0;
        if (frame.connection == name && !judged) kept.push_back(frame);
      }
      return kept;
    };
    std::optional<Mismatch> mismatch =
        CompareConnection(name, pipeline, first, compared(ours), compared(theirs));
    if (mismatch.has_value()) return mismatch;
  }
  return std::nullopt;
}

std::optional<Mismatch> Runner::RunMirrored(const Step& step, std::vector<Frame>* ours,
                                            std::vector<Frame>* theirs) {
  const auto own = [&step](const Frame& frame) { return frame.connection == step.connection; };
  ours_->Send({step});
  *ours = ours_->Collect();
  const auto answer = std::find_if(ours->begin(), ours->end(), own);
  if (answer == ours->end()) return Mismatch{0, "", "  there is no reply"};
  const Argv command = answer->command;
  const Mirrored mirrored = Mirror(command, answer->reply, ours_, theirs_);
  if (!mirrored.problem.empty()) {
    return Mismatch{0, command[0], fmt::format("  it is not mirrored: {}", mirrored.problem)};
  }
  if (const Modifier* save = step.Find("save")) {
    for (Side* const side : {ours_, theirs_}) {
      if (side == nullptr) continue;
      side->Save(save->arguments[0], mirrored.id);
      side->Save(save->arguments[0] + ".ms", mirrored.id.substr(0, mirrored.id.find('-')));
    }
  }
  if (theirs_ == nullptr) return std::nullopt;
  // Over a connection of its own, because EXEC would end a WATCH.
  constexpr char kMirror = '~';
  Script same;
  const auto append = [&](Argv words) {
    Step other;
    other.connection = kMirror;
    other.words = std::move(words);
    other.more = true;
    same.push_back(std::move(other));
  };
  append({"MULTI"});
  for (const Argv& words : mirrored.commands)
    append(words);
  append({"EXEC"});
  same.back().more = false;
  theirs_->Send(same);
  *theirs = theirs_->Collect();
  const auto of_mirror = [](const Frame& frame) { return frame.connection == kMirror; };
  for (const Frame& frame : *theirs) {
    if (!of_mirror(frame)) continue;
    const std::string text = test::ToText(frame.reply);
    if (text.find("-\"") == std::string::npos && !frame.reply.is_note()) continue;
    return Mismatch{0, command[0], fmt::format("  the oracle answers {} to its part", text)};
  }
  theirs->erase(std::remove_if(theirs->begin(), theirs->end(), of_mirror), theirs->end());
  ours->erase(std::remove_if(ours->begin(), ours->end(), own), ours->end());
  theirs->erase(std::remove_if(theirs->begin(), theirs->end(), own), theirs->end());
  for (Frame& frame : *theirs)
    frame.step = 0;
  return std::nullopt;
}

void Runner::Trace(const Script& pipeline, const std::vector<Frame>& ours,
                   const std::vector<Frame>& theirs) const {
  fmt::print("{}", ToText(pipeline));
  for (const Frame& frame : theirs) {
    fmt::print("    theirs {}: {}\n", frame.connection, test::ToText(frame.reply));
  }
  for (const Frame& frame : ours) {
    fmt::print("    ours   {}: {}\n", frame.connection, test::ToText(frame.reply));
  }
}

std::optional<Mismatch> Runner::CheckExpectation(const Expectation& expectation, const Step& step,
                                                 const std::vector<Frame>& ours,
                                                 const std::vector<Frame>& theirs,
                                                 int protocol) const {
  const bool lowered = expectation.protocol == 0 && protocol == 3;
  const std::string expected = lowered ? Lowered(expectation.text) : expectation.text;
  const auto text = [&](std::vector<Frame> frames, test::MapShape shape) {
    for (Frame& frame : frames) {
      frame.reply = Viewed(frame.reply, step);
      if (lowered) frame.reply = test::Lowered(frame.reply, shape);
    }
    return Texts(frames);
  };
  const auto matches = [&](const std::vector<Frame>& frames) {
    return Matches(expected, text(frames, test::MapShape::kFlat)) ||
           Matches(expected, text(frames, test::MapShape::kPairs));
  };
  if (self_check_) {
    const bool needed = lowered || !matches(theirs);
    if (needed) return std::nullopt;
    return Mismatch{0, CommandName(theirs),
                    "the oracle answers what is expected of ours alone: " + expectation.text};
  }
  if (matches(ours)) return std::nullopt;
  return Mismatch{0, CommandName(ours),
                  fmt::format("  expected on {}: {}\n  ours          : {}", expectation.connection,
                              expected, Shortened(text(ours, test::MapShape::kFlat)))};
}

std::optional<Mismatch> Runner::CompareConnection(char name, const Script& pipeline, size_t first,
                                                  const std::vector<Frame>& ours,
                                                  const std::vector<Frame>& theirs) const {
  if (theirs_ == nullptr) {
    for (const Frame& frame : ours) {
      const bool blocked = frame.reply == Reply::Note("blocked");
      const bool closed = frame.reply == Reply::Closed() && pipeline[frame.step].Has("close");
      if (!frame.reply.is_error() && (!frame.reply.is_note() || blocked || closed)) continue;
      return Mismatch{first + frame.step, CommandName({frame}),
                      fmt::format("  not expected on {}: {}", name, test::ToText(frame.reply))};
    }
    return std::nullopt;
  }
  for (const Frame& frame : theirs) {
    if (frame.reply != Reply::TimedOut()) continue;
    return Mismatch{first + frame.step, CommandName({frame}),
                    fmt::format("  on {}, the oracle did not answer in time", name)};
  }
  size_t differing = 0;
  if (SameFrames(pipeline, ours, theirs, &differing)) return std::nullopt;
  const std::vector<Frame> our_view = Arranged(ours);
  const std::vector<Frame> their_view = Arranged(theirs);
  size_t ignored = 0;
  if (SameFrames(pipeline, our_view, their_view, &ignored)) return std::nullopt;
  const Frame& frame = differing < ours.size() ? ours[differing] : theirs[differing];
  return Mismatch{
      first + frame.step, CommandName({frame}),
      fmt::format("  on {}, ours  : {}\n  on {}, theirs: {}", name,
                  Shortened(Texts(ours, differing)), name, Shortened(Texts(theirs, differing)))};
}

std::vector<Frame> Runner::Arranged(std::vector<Frame> frames) const {
  if (!differences_->NamesWith("messages-apart").empty()) {
    std::stable_partition(frames.begin(), frames.end(),
                          [](const Frame& frame) { return !IsMessage(frame); });
  }
  if (differences_->NamesWith("patterns-unordered").empty()) return frames;
  for (size_t first = 0; first < frames.size();) {
    size_t end = first + 1;
    while (end < frames.size() && SameMessage(frames[first].reply, frames[end].reply))
      ++end;
    std::sort(frames.begin() + static_cast<ptrdiff_t>(first),
              frames.begin() + static_cast<ptrdiff_t>(end), [](const Frame& a, const Frame& b) {
                return test::ToText(a.reply) < test::ToText(b.reply);
              });
    first = end;
  }
  return frames;
}

bool Runner::SameFrames(const Script& pipeline, const std::vector<Frame>& ours,
                        const std::vector<Frame>& theirs, size_t* differing) const {
  const size_t common = std::min(ours.size(), theirs.size());
  for (*differing = 0; *differing < common; ++*differing) {
    const Frame& frame = ours[*differing];
    if (!SameReply(pipeline[frame.step], frame, theirs[*differing])) return false;
  }
  return ours.size() == theirs.size();
}

bool Runner::SameReply(const Step& step, const Frame& ours, const Frame& theirs) const {
  if (ours.reply == theirs.reply) return true;
  const Reply our_view = Viewed(ours.reply, step);
  const Reply their_view = Viewed(theirs.reply, step);
  const bool executed =
      !ours.queued.empty() && our_view.kind == Kind::kArray && their_view.kind == Kind::kArray &&
      our_view.items.size() == ours.queued.size() && their_view.items.size() == ours.queued.size();
  if (!executed) return differences_->Same(ours.command, our_view, their_view);
  for (size_t i = 0; i < ours.queued.size(); ++i) {
    if (!differences_->Same(ours.queued[i], our_view.items[i], their_view.items[i])) return false;
  }
  return true;
}

std::optional<Mismatch> Runner::CompareControl(const Argv& argv, bool unordered) {
  Step step;
  step.words = argv;
  if (unordered) step.modifiers.push_back({"sort", {}});
  const Reply ours = Viewed(ours_->Control(argv), step);
  const Reply theirs = Viewed(theirs_->Control(argv), step);
  if (differences_->Same(argv, ours, theirs)) return std::nullopt;
  return Mismatch{
      0, "keyspace",
      fmt::format("  the keyspaces differ at {}\n  ours  : {}\n  theirs: {}", fmt::join(argv, " "),
                  Shortened(test::ToText(ours)), Shortened(test::ToText(theirs)))};
}

std::optional<Mismatch> Runner::CompareKey(const std::string& key) {
  for (const Argv& argv : {Argv{"TYPE", key}, Argv{"PTTL", key}}) {
    std::optional<Mismatch> mismatch = CompareControl(argv);
    if (mismatch.has_value()) return mismatch;
  }
  const std::string type = theirs_->Control({"TYPE", key}).text;
  std::vector<Argv> questions;
  if (type == "string") questions = {{"GET", key}};
  if (type == "list") questions = {{"LRANGE", key, "0", "-1"}};
  if (type == "hash") questions = {{"HGETALL", key}};
  if (type == "set") questions = {{"SMEMBERS", key}};
  if (type == "zset") questions = {{"ZRANGE", key, "0", "-1", "WITHSCORES"}};
  if (type == "stream") {
    questions = {{"XRANGE", key, "-", "+"}, {"XINFO", "STREAM", key, "FULL", "COUNT", "0"}};
  }
  for (const Argv& argv : questions) {
    std::optional<Mismatch> mismatch = CompareControl(argv, type == "hash" || type == "set");
    if (mismatch.has_value()) return mismatch;
  }
  return std::nullopt;
}

std::optional<Mismatch> Runner::CompareKeyspaces() {
  std::optional<Mismatch> mismatch;
  for (const char* const database : {"1", "0"}) {
    mismatch = CompareControl({"SELECT", database});
    if (mismatch.has_value()) break;
    const auto keys = [](Side* side) {
      std::set<std::string> names;
      for (const Reply& name : side->Control({"KEYS", "*"}).items)
        names.insert(name.text);
      // The oracle has the partitions of a topic as keys.
      for (const Reply& topic : side->Control({"TOPIC", "LIST"}).items) {
        names.erase(topic.text);
        for (const Reply& part : side->Control({"TOPIC", "OFFSETS", topic.text, "EARLIEST"}).items)
          names.insert(part.items[0].text);
      }
      return names;
    };
    const std::set<std::string> ours = keys(ours_);
    const std::set<std::string> theirs = keys(theirs_);
    if (ours != theirs) {
      mismatch = Mismatch{0, "keyspace",
                          fmt::format("  in database {}\n  our keys  : {}\n  their keys: {}",
                                      database, fmt::join(ours, " "), fmt::join(theirs, " "))};
      break;
    }
    for (const std::string& key : ours) {
      mismatch = CompareKey(key);
      if (mismatch.has_value()) break;
    }
    if (mismatch.has_value()) break;
  }
  ours_->Control({"SELECT", "0"});
  theirs_->Control({"SELECT", "0"});
  return mismatch;
}

}  // namespace runnel::compat
