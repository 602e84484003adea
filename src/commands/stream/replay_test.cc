#include <gtest/gtest.h>

#include <random>

#include "commands/families.h"
#include "commands/testing.h"
#include "data/testing.h"

namespace runnel {
namespace {

// Makes stream commands at random: mostly sensible ones, on few keys, groups, consumers and IDs, so
// that they meet.
class CommandMaker {
 public:
  explicit CommandMaker(uint32_t seed) : random_(seed) {}

  std::vector<std::string> Make() {
    switch (Below(16)) {
      case 0:
        return {"XADD", Key(), "MAXLEN", Pick({"=", "~"}), Number(30), Pick(kReferences),
                "*",    "f",   "v"};
      case 1:
        return {"XADD", Key(), "IDMP", Pick({"p", "q"}), Number(4), "*", "f", Number(1000)};
      case 2:
        return With({"XDEL", Key()}, Ids());
      case 3:
        return WithCounted({Pick({"XDELEX"}), Key(), Pick(kReferences), "IDS"});
      case 4:
        return {"XTRIM", Key(), Pick({"MAXLEN", "MINID"}), Number(30), Pick(kReferences)};
      case 5:
        return {"XGROUP", "CREATE", Key(), Group(), Pick({"0", "$"}), "MKSTREAM"};
      case 6:
        return Below(4) == 0   ? List{"XGROUP", "DESTROY", Key(), Group()}
               : Below(2) == 0 ? List{"XGROUP", "DELCONSUMER", Key(), Group(), Consumer()}
                               : List{"XGROUP", "SETID", Key(), Group(), Id()};
      case 7:
      case 8:
        return {"XREADGROUP", "GROUP",    Group(),   Consumer(), "COUNT", Number(5),
                "CLAIM",      Number(50), "STREAMS", Key(),      ">"};
      case 9:
        return {"XREADGROUP", "GROUP",   Group(), Consumer(),           "COUNT",
                Number(9),    "STREAMS", Key(),   Pick({"0", ">", ">"})};
      case 10:
        return With({"XACK", Key(), Group()}, Ids());
      case 11:
        return WithCounted({"XACKDEL", Key(), Group(), Pick(kReferences), "IDS"});
      case 12:
        return WithCounted({"XNACK", Key(), Group(), Pick({"SILENT", "FAIL", "FATAL"}), "IDS"});
      case 13:
        return With(With({"XCLAIM", Key(), Group(), Consumer(), Number(20)}, Ids()),
                    {Pick({"FORCE", "JUSTID"}), "IDLE", Number(100)});
      case 14:
        return Below(2) == 0
                   ? List{"XAUTOCLAIM", Key(), Group(), Consumer(), Number(20), Id(), "COUNT", "5"}
                   : List{"XCFGSET", Key(), "IDMP-MAXSIZE", std::to_string(1 + Below(3))};
      default:
        return {"XADD", Key(), "*", Pick({"f", "g"}), std::string(Below(200), 'x'), "h", "w"};
    }
  }
  size_t Below(size_t limit) { return random_() % limit; }

 private:
  using List = std::vector<std::string>;
  static constexpr std::initializer_list<const char*> kReferences = {"KEEPREF", "DELREF", "ACKED"};

  std::string Pick(std::initializer_list<const char*> words) {
    return words.begin()[Below(words.size())];
  }
  std::string Key() { return Pick({"s", "t"}); }
  std::string Group() { return Pick({"g", "h"}); }
  std::string Consumer() { return Pick({"a", "b", "c"}); }
  std::string Number(size_t limit) { return std::to_string(Below(limit)); }
  // Entries get the time as their ID, which begins at 1000 and goes on slowly.
  std::string Id() { return std::to_string(1000 + Below(300)) + "-" + Number(2); }
  List Ids() {
    List ids;
    for (size_t left = 1 + Below(5); left > 0; left--) {
      ids.push_back(Id());
    }
    return ids;
  }
  static List With(List list, const List& more) {
    list.insert(list.end(), more.begin(), more.end());
    return list;
  }
  List WithCounted(List list) {
    const List ids = Ids();
    list.push_back(std::to_string(ids.size()));
    return With(list, ids);
  }

  std::mt19937 random_;
};

// What the effects of commands did to one keyspace, their records do to another; captures that run
// meanwhile hold what was there when they began; and what a keyspace holds can be stored and
// loaded.
TEST(StreamReplayTest, RecordsMakeTheSameStreams) {
  for (uint32_t seed = 1; seed <= 30; seed++) {
    CommandRunner runner({StreamCommands(), GroupCommands()});
    runner.now_ms = 1000;
    runner.may_block = false;
    runner.options.stream_node_max_entries = 5;
    CommandMaker maker(seed);
    CaptureCheck captures;
    for (int i = 0; i < 600; i++) {
      const std::vector<std::string> words = maker.Make();
      runner.Run(std::vector<std::string_view>(words.begin(), words.end()));
      if (maker.Below(2) == 0) runner.now_ms++;
      captures.Step(runner.keyspace(), [&] { return maker.Below(1000); });
    }
    ASSERT_GT(captures.finished(), 5);
    ASSERT_EQ(captures.wrong(), 0) << "seed " << seed;
    const KeyspaceContent content = ContentOf(runner.keyspace());
    ASSERT_EQ(runner.Replayed(), content) << "seed " << seed;
    for (const auto& [key, held] : content) {
      const std::unique_ptr<Object> loaded = FindObjectKind(held.type)->Load(held.payload);
      ASSERT_NE(loaded, nullptr);
      std::string payload;
      loaded->Serialize(&payload);
      ASSERT_EQ(payload, held.payload);
    }
  }
}

}  // namespace
}  // namespace runnel
