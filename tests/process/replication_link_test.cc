// The network between a leader and its follower: it ends in the middle of whatever is sent, holds
// bytes back, loses them, is slow. The follower gets all, once, and clients at acks all see nothing
// of it but waiting.
#include <random>

#include "tests/process/full_sync_servers.h"
#include "tests/support/environment.h"
#include "tests/support/logged_load.h"
#include "tests/support/proxy.h"

namespace runnel::test {
namespace {

using Direction = Proxy::Direction;

constexpr Direction kToLeader = Direction::kToServer;
constexpr Direction kToFollower = Direction::kToClient;

class ReplicationLinkTest : public FullSyncTest {
 protected:
  // A leader, and a follower that reaches it through the proxy, both with these arguments.
  void StartLeader(const Argv& args) {
    args_ = args;
    leader_ = Start(args);
    writer_ = leader_->Connect();
    proxy_ = std::make_unique<Proxy>(
        Proxy::Options{.server_port = leader_->port(), .address = "127.0.0.2"});
  }
  void StartFollower() {
    Argv args = {"--replicaof", fmt::format("{} {}", proxy_->address(), proxy_->port())};
    args.insert(args.end(), args_.begin(), args_.end());
    follower_ = Start(args);
    reader_ = follower_->Connect();
  }
  void StartLoad() {
    load_ = std::make_unique<LoggedLoad>(
        std::vector<LoggedKey*>{&list_, &stream_}, 2, [this] { return leader_->Connect(); },
        random_());
  }
  void Work() { EXPECT_TRUE(load_->WaitForMore(20)) << load_->error() << leader_->Log(); }
  // The rest of what is under way, and the verdict.
  void Judge() {
    load_->Stop();
    for (LoggedKey* const key : {&list_, &stream_}) {
      EXPECT_EQ(ToText(JudgeAtTheEnd(*key, leader_->Connect())), "");
    }
    WaitUntilEqual(*writer_, *reader_);
    CompareJournals(*leader_, *follower_, InfoNumber(*writer_, "master_repl_offset"));
    for (const char* ask : {"LRANGE logged-list 0 -1", "XRANGE logged-stream - +", "DBSIZE"}) {
      EXPECT_EQ(Ask(*reader_, ask), Ask(*writer_, ask)) << ask;
    }
  }
  // How often the leader began to refuse commands at acks all.
  size_t Refusals() const {
    constexpr std::string_view kText = "commands of clients with `acks all` are refused";
    const std::string log = leader_->Log();
    size_t count = 0;
    for (size_t at = log.find(kText); at != std::string::npos; at = log.find(kText, at + 1)) {
      count++;
    }
    return count;
  }
  // The leader has so many entries, which cannot be compressed, and not the journal of them.
  void FillAndRemoveJournal(int entries) {
    for (int i = 0; i < entries; i++) {
      std::string text(1000, '\0');
      for (char& c : text) {
        c = static_cast<char>(random_());
      }
      writer_->Send({"XADD", "stream", "*", "text", text});
    }
    for (int i = 0; i < entries; i++) {
      writer_->Read();
    }
    RemoveJournal(*leader_, *writer_);
  }
  // Cuts a full sync eight times, after about equal shares of its bytes, and lets it become whole.
  // What was sent is not sent again each time.
  void CutFullSync(uint64_t bytes) {
    const int64_t begin = InfoNumber(*writer_, "master_repl_offset");
    const uint64_t share = bytes / 9;
    proxy_->CutAfter(kToFollower, share);
    StartFollower();
    for (uint64_t cuts = 1; cuts <= 8; cuts++) {
      ASSERT_TRUE(Eventually([&] { return proxy_->cuts() == cuts; })) << follower_->Log();
      if (cuts < 8) proxy_->CutAfter(kToFollower, share);
    }
    const uint64_t before = proxy_->passed(kToFollower);
    WaitUntilEqual(*writer_, *reader_);
    // Each time less than one share got lost on the way: what was missing came, and not all again.
    // What was written meanwhile has come, too.
    const auto written = static_cast<uint64_t>(InfoNumber(*writer_, "master_repl_offset") - begin);
    EXPECT_LT(proxy_->passed(kToFollower) - before, bytes / 2 + written + written / 4)
        << follower_->Log();
  }

  std::mt19937_64 random_{FromEnvironment("RUNNEL_LINK_SEED", 1)};
  Argv args_;
  std::unique_ptr<ServerProcess> leader_;
  std::unique_ptr<ServerProcess> follower_;
  std::unique_ptr<RespClient> writer_;
  std::unique_ptr<RespClient> reader_;
  LoggedKey list_{"logged-list", LoggedKey::Type::kList, {}};
  LoggedKey stream_{"logged-stream", LoggedKey::Type::kStream, {}};
  std::unique_ptr<Proxy> proxy_;
  std::unique_ptr<LoggedLoad> load_;
};

const Argv kSafe = {"--acks",
                    "all",
                    "--min-insync-replicas",
                    "2",
                    "--replica-silence-max",
                    "300",
                    "--journal-segment-bytes",
                    "65536"};

TEST_F(ReplicationLinkTest, CutInTheMiddleOfAFrame) {
  StartLeader(kSafe);
  StartFollower();
  WaitUntilInSync(*reader_);
  StartLoad();
  for (int round = 0; round < 30; round++) {
    Work();
    const Direction direction = round % 5 == 4 ? kToLeader : kToFollower;
    const uint64_t cuts = proxy_->cuts();
    // Large frames between the small ones.
    const uint64_t most = direction == kToLeader ? 500 : round % 2 == 0 ? 1000 : 150'000;
    proxy_->CutAfter(direction, 1 + random_() % most);
    const auto writer = leader_->Connect();
    EXPECT_TRUE(Eventually([&] {
      if (round % 2 == 1) writer->Send({"SET", "big", std::string(100'000, 'x')});
      return proxy_->cuts() > cuts;
    }));
  }
  Judge();
}

// A network that is gone in one direction or both: the connections are there.
TEST_F(ReplicationLinkTest, SilentForAWhile) {
  StartLeader(kSafe);
  StartFollower();
  WaitUntilInSync(*reader_);
  StartLoad();
  const auto hold = &Proxy::Hold;
  const auto swallow = &Proxy::Swallow;
  for (const auto harm : {hold, swallow}) {
    for (const auto& directions : std::vector<std::vector<Direction>>{
             {kToFollower}, {kToLeader}, {kToFollower, kToLeader}}) {
      Work();
      const uint64_t accepted = proxy_->accepted();
      const size_t refusals = Refusals();
      for (const Direction direction : directions) {
        ((*proxy_).*harm)(direction);
      }
      // The follower hears nothing, and connects anew; or the leader counts without it.
      EXPECT_TRUE(Eventually([&] {
        return directions.front() == kToFollower ? proxy_->accepted() > accepted
                                                 : Refusals() > refusals;
      })) << leader_->Log()
          << follower_->Log();
      proxy_->Heal();
      EXPECT_TRUE(Eventually([&] { return InfoField(*reader_, "master_link_status") == "up"; }))
          << follower_->Log();
    }
  }
  Judge();
}

TEST_F(ReplicationLinkTest, Slow) {
  StartLeader(kSafe);
  proxy_->Delay(kToFollower, std::chrono::milliseconds(5));
  proxy_->Delay(kToLeader, std::chrono::milliseconds(5));
  StartFollower();
  WaitUntilInSync(*reader_);
  StartLoad();
  for (int i = 0; i < 5; i++) {
    Work();
  }
  Judge();
}

TEST_F(ReplicationLinkTest, CutInTheMiddleOfAFullSync) {
  StartLeader(Small({"--stream-memory", "1gb"}));
  FillAndRemoveJournal(5000);
  EXPECT_EQ(InfoNumber(*writer_, "cold_entries"), 0);
  StartLoad();
  CutFullSync(5'000'000);
  CompareData(*writer_, *reader_);
  Judge();
}

// The entries of the stream are in files of their own.
TEST_F(ReplicationLinkTest, CutInTheMiddleOfAColdFile) {
  StartLeader(Small());
  FillAndRemoveJournal(5000);
  EXPECT_GT(InfoNumber(*writer_, "cold_entries"), 4000);
  StartLoad();
  CutFullSync(5'000'000);
  CompareData(*writer_, *reader_);
  EXPECT_GT(InfoNumber(*reader_, "cold_entries"), 4000);
  Judge();
}

}  // namespace
}  // namespace runnel::test
