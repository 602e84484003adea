#pragma once

// For tests: runs commands on a keyspace without broker and connections.

#include <algorithm>
#include <functional>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/assert.h"
#include "base/random.h"
#include "base/text.h"
#include "commands/command.h"
#include "commands/context.h"
#include "commands/topic_group/engine.h"
#include "data/testing.h"

namespace runnel {

// How a command blocked: its Wait, with strings of its own.
struct BlockedCommand {
  WaitKind kind = WaitKind::kList;
  std::vector<std::string> keys;
  std::string group;
  int64_t deadline_ms = 0;
  int64_t retry_at_ms = 0;
  bool timeout_is_array = true;
  std::vector<std::pair<size_t, std::string>> replaced;
};

// One connection, with a keyspace, a clock that stands still, and a record of all that the commands
// did.
//
//   CommandRunner runner({ListCommands(), KeyspaceCommands()});
//   EXPECT_EQ(runner.Run("RPUSH q a b"), ":2");
//   EXPECT_EQ(runner.Run("LPOP q 2"), "*2 $1 a $1 b");
//   EXPECT_THAT(runner.events(), ElementsAre("lpop q", "del q"));
//
// Fields without underscore may be set between commands.
class CommandRunner : private KeyspaceObserver {
 public:
  explicit CommandRunner(std::initializer_list<std::span<const CommandSpec>> families)
      : families_(families) {
    batch_.set_on(true);
    keyspace_.Observe(this);
  }
  ~CommandRunner() { keyspace_.Observe(nullptr); }

  // Runs a command and returns the reply as it goes over the wire, with a blank in the place of
  // each end of line but the last; "" if the command blocked.
  std::string Run(std::span<const std::string_view> args) { return Execute(args, false); }
  std::string Run(std::initializer_list<std::string_view> args) {
    return Execute({args.begin(), args.size()}, false);
  }
  // The arguments in one line, separated by single blanks.
  std::string Run(const char* line) { return Execute(Split(line), false); }

  // Runs a command as the broker runs one again that has blocked, with the arguments that its Wait
  // replaces.
  std::string Resume(const char* line) {
    std::vector<std::string_view> args = Split(line);
    const Blocked replaced = blocked_.value_or(Blocked());
    for (const auto& [i, text] : replaced.replaced) {
      args[i] = text;
    }
    return Execute(args, true);
  }

  // What the last command did.
  //
  // Keyspace notifications: "event key", with "@db" after the key where that is not 0.
  const std::vector<std::string>& events() const { return events_; }
  // What the keyspace's observer heard: "added key", "grown key", "modified key", "removed key",
  // "swap a b".
  const std::vector<std::string>& changes() const { return changes_; }
  // The names of the effects.
  const std::vector<std::string>& effects() const { return effects_; }
  // How it blocked; nothing if it answered.
  using Blocked = BlockedCommand;
  const std::optional<Blocked>& blocked() const { return blocked_; }
  uint64_t hits() const { return hits_; }
  uint64_t misses() const { return misses_; }

  // Applies an effect that the broker states by itself, as its upkeep does.
  template <class E>
  void Apply(const E& effect) {
    Commit(effect, batch_, keyspace_);
  }

  TopicGroups& topic_groups() { return topic_groups_; }
  // What the broker does as time passes, and at the end of a turn. Returns the names of the members
  // whose blocked calls would run again.
  std::vector<std::string> TendTopicGroups() {
    TimedChanges changes(this);
    while (topic_groups_.due_ms() <= steady_ms) {
      topic_groups_.Work(changes);
    }
    topic_groups_.Settle(steady_ms);
    std::vector<std::string> woken;
    while (topic_groups_.anything_to_wake()) {
      woken.push_back(topic_groups_.TakeWake().member);
    }
    return woken;
  }

  Keyspace& keyspace() { return keyspace_; }
  // What a keyspace holds in which all effects since the beginning are replayed.
  KeyspaceContent Replayed() const {
    Keyspace replayed(keyspace_.databases());
    const auto replay = [&](const Record& record) {
      const Status status = Replay(record, replayed);
      CHECK(status.ok());
    };
    for (const std::string& batch : sealed_) {
      CHECK(Batch::ForEach(batch, replay));
    }
    CHECK(Batch::ForEach(batch_.bytes(), replay));
    return ContentOf(replayed);
  }

  int64_t now_ms = 1'700'000'000'000;
  int64_t steady_ms = 1'000'000;
  uint32_t db = 0;
  uint64_t client_id = 1;
  bool reply_is_sent = true;
  int protocol = 2;
  bool may_block = true;
  bool in_script = false;
  // The client asks for all in-sync replicas, and so many are there.
  std::optional<uint32_t> replicas;
  uint32_t notify_classes = ~0u;
  DataOptions options;

 private:
  class RunContext final : public Context {
   public:
    RunContext(CommandRunner* runner, std::span<const std::string_view> args, ReplyWriter& reply,
               bool resumed)
        : Context(args, reply, runner->keyspace_, runner->batch_, runner->options),
          runner_(runner) {
      db_ = runner->db;
      notify_classes_ = runner->notify_classes;
      now_ms_ = runner->now_ms;
      steady_ms_ = runner->steady_ms;
      client_id_ = runner->client_id;
      topic_groups_ = &runner->topic_groups_;
      random_ = &runner->random_;
      reply_is_sent_ = runner->reply_is_sent;
      may_block_ = runner->may_block;
      resumed_ = resumed;
    }

    void Block(Wait wait) override {
      CHECK(may_block());
      for (const KeyRef& key : wait.keys) {
        CHECK(IsArgument(key.name) || IsKept(wait, key.name));
      }
      CHECK(wait.group.empty() || IsArgument(wait.group));
      Blocked& blocked = runner_->blocked_.emplace();
      blocked.kind = wait.kind;
      for (const KeyRef& key : wait.keys) {
        blocked.keys.emplace_back(key.name);
      }
      blocked.group = wait.group;
      blocked.deadline_ms = wait.deadline_ms;
      blocked.retry_at_ms = wait.retry_at_ms;
      blocked.timeout_is_array = wait.timeout_is_array;
      blocked.replaced = wait.replaced;
    }

    bool in_script() const override { return runner_->in_script; }
    std::optional<uint32_t> TooFewReplicas(uint32_t wanted) override {
      return runner_->replicas && *runner_->replicas < wanted ? runner_->replicas : std::nullopt;
    }

    uint64_t hits() const { return hits_; }
    uint64_t misses() const { return misses_; }

   protected:
    void Publish(NotifyClass, std::string_view event, const KeyRef& key) override {
      runner_->events_.push_back(std::string(event) + " " + NameOf(DatabaseOf(key.db), key.name));
    }
    void Expire(const KeyRef& key) override {
      Apply(KeyRemove{key});
      Notify(kNotifyExpired, "expired", key);
    }

   private:
    static bool IsPart(std::string_view part, std::string_view whole) {
      return std::less_equal<>()(whole.data(), part.data()) &&
             std::less_equal<>()(part.data() + part.size(), whole.data() + whole.size());
    }
    // Whether what is seen there outlives the command.
    bool IsArgument(std::string_view text) const {
      return std::any_of(args_.begin(), args_.end(),
                         [text](std::string_view arg) { return IsPart(text, arg); });
    }
    static bool IsKept(const Wait& wait, std::string_view text) {
      return std::any_of(wait.kept.begin(), wait.kept.end(),
                         [text](const auto& kept) { return IsPart(text, *kept); });
    }

    CommandRunner* runner_;
  };

  class TimedChanges final : public GroupChanges {
   public:
    explicit TimedChanges(CommandRunner* runner) : runner_(runner) {}

    int64_t now_ms() const override { return runner_->now_ms; }
    int64_t steady_ms() const override { return runner_->steady_ms; }
    void Apply(const TopicGroupSee& effect) override { Do(effect); }
    void Apply(const TopicGroupAssign& effect) override { Do(effect); }
    void Apply(const TopicGroupLeave& effect) override { Do(effect); }
    void Apply(const KeyRemove& effect) override { Do(effect); }

   private:
    template <class E>
    void Do(const E& effect) {
      Commit(effect, runner_->batch_, runner_->keyspace_);
    }
    CommandRunner* runner_;
  };

  static std::string NameOf(uint32_t db, std::string_view name) {
    return std::string(name) + (db == 0 ? "" : "@" + std::to_string(db));
  }

  static std::vector<std::string_view> Split(std::string_view line) {
    std::vector<std::string_view> args;
    while (true) {
      const size_t blank = line.find(' ');
      args.push_back(line.substr(0, blank));
      if (blank == std::string_view::npos) return args;
      line.remove_prefix(blank + 1);
    }
  }

  static const CommandSpec* FindIn(std::span<const CommandSpec> specs, std::string_view name) {
    for (const CommandSpec& spec : specs) {
      if (EqualsIgnoreCase(spec.name, name)) return &spec;
    }
    return nullptr;
  }

  const CommandSpec& Find(std::span<const std::string_view> args) const {
    for (const auto& family : families_) {
      const CommandSpec* spec = FindIn(family, args[0]);
      if (spec == nullptr) continue;
      if (!spec->subcommands.empty() && args.size() > 1) {
        spec = FindIn(spec->subcommands, args[1]);
        CHECK(spec != nullptr);
      }
      return *spec;
    }
    CHECK(!"a command of the runner's families");
    __builtin_unreachable();
  }

  std::string Execute(std::span<const std::string_view> args, bool resumed) {
    events_.clear();
    changes_.clear();
    effects_.clear();
    blocked_.reset();
    const CommandSpec& spec = Find(args);
    const size_t count = args.size();
    const bool fits = spec.arity >= 0 ? count == static_cast<size_t>(spec.arity)
                                      : count >= static_cast<size_t>(-spec.arity);
    if (!fits) return "-ERR wrong number of arguments for '" + std::string(spec.name) + "' command";

    // As in a broker's turn, commands share a batch. It stays short: each command walks through it.
    constexpr size_t kMostRecords = 16;
    if (batch_.count() > kMostRecords) {
      sealed_.emplace_back(batch_.bytes());
      batch_.Clear();
    }
    const size_t earlier = batch_.count();
    Rope rope;
    ReplyWriter reply(&rope);
    reply.set_protocol(protocol);
    RunContext context(this, args, reply, resumed);
    try {
      spec.run(context);
    } catch (const TooManyChanges& refused) {
      rope.Clear();
      reply.Error(refused.message);
    }
    hits_ = context.hits();
    misses_ = context.misses();
    size_t seen = 0;
    CHECK(Batch::ForEach(batch_.bytes(), [&](const Record& record) {
      if (seen++ >= earlier) effects_.emplace_back(record.kind->name);
    }));
    std::string text = rope.ToString();
    CHECK(blocked_ ? text.empty() : text.ends_with("\r\n"));
    if (!text.empty()) text.resize(text.size() - 2);
    for (size_t at = 0; (at = text.find("\r\n", at)) != std::string::npos;) {
      text.replace(at, 2, " ");
    }
    return text;
  }

  void OnKeyChange(uint32_t of_db, std::string_view name, KeyChange change) override {
    constexpr const char* kNames[] = {"added ",   "grown ",  "modified ",
                                      "removed ", "beside ", "awaited "};
    changes_.push_back(kNames[static_cast<int>(change)] + NameOf(of_db, name));
    topic_groups_.OnKeyChange(of_db, name, change);
  }
  void OnTopicsChange(uint32_t of_db) override { topic_groups_.OnTopicsChange(of_db); }
  void OnFlush(uint32_t of_db) override { changes_.push_back("flush " + std::to_string(of_db)); }
  void OnSwap(uint32_t a, uint32_t b) override {
    changes_.push_back("swap " + std::to_string(a) + " " + std::to_string(b));
    topic_groups_.OnSwap();
  }

  const std::vector<std::span<const CommandSpec>> families_;
  Keyspace keyspace_{16};
  TopicGroups topic_groups_{keyspace_};
  Random random_{RandomSeed()};
  std::vector<std::string> sealed_;  // batches of earlier commands
  Batch batch_;
  std::vector<std::string> events_;
  std::vector<std::string> changes_;
  std::vector<std::string> effects_;
  std::optional<Blocked> blocked_;
  uint64_t hits_ = 0;
  uint64_t misses_ = 0;
};

}  // namespace runnel
