// How long one command may hold the loop. Each row of the table is a command on much data, beside a
// second client that is served meanwhile. The server is built so that it counts the steps of its
// code (base/steps.h), and no turn of the loop may take more of them than the row says. Nothing
// looks at a clock.
#include <errno.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>

#include <functional>
#include <span>

#include "tests/process/server_test.h"
#include "tests/support/quote.h"

namespace runnel::test {
namespace {

constexpr int kMany = 100'000;
constexpr int kPartitions = 10'000;
constexpr size_t kClients = 500;
constexpr size_t kLongString = 32 * 1024 * 1024;

// What a turn may take that does not depend on the amount of data: about a millisecond. Compilers
// cut the same code into different numbers of steps, so this and the numbers below leave room: what
// is meant to be found, a loop over all data, takes many times as much.
constexpr uint64_t kUsual = 1'000'000;

// What one connection may do in one turn with requests that it has sent at once; see the budget in
// net/connection.cc.
constexpr uint64_t kPipeline = 6'000'000;

// What is linear in a command's own arguments or in its reply: so many steps for each of them.
constexpr uint64_t PerItem(uint64_t steps, uint64_t items) {
  return kUsual + steps * items;
}

class TurnsTest : public ServerTest {
 protected:
  // What a command finds: the requests that make it, and some more.
  struct Found {
    const std::string* requests = nullptr;  // none: nothing
    std::vector<std::string> then;
  };
  using Send = std::function<void(RespClient&)>;
  struct Row {
    // Written as one line.
    std::string command;
    Found found;
    uint64_t most_steps = kUsual;
    // Of a bound that grows with something: why it must.
    std::string reason = "";
    // Sent in the place of `command`, if that is no more than a name for it.
    Send send = {};
  };

  void Start(const Argv& args) {
    StartServer(args);
    filler_ = Client();
    // It only sends.
    filler_->SendRaw("CLIENT REPLY OFF\r\n");
    other_ = Client();
    counts_ = !Debug("most_turn_steps").empty();
  }

  // Runs the command of each row and looks at the steps.
  void Check(std::span<const Row> rows) {
    if (!counts_) GTEST_SKIP() << "this build of the server does not count steps";
    const std::string* there = nullptr;
    int64_t changes = -1;
    for (const Row& row : rows) {
      SCOPED_TRACE(row.command);
      // What the row before has found and left as it was is used again.
      const bool same = row.found.requests == there && row.found.then.empty() &&
                        InfoNumber(*other_, "rdb_changes_since_last_save") == changes;
      if (!same) Make(row.found);
      Settle();
      there = row.found.then.empty() ? row.found.requests : nullptr;
      changes = InfoNumber(*other_, "rdb_changes_since_last_save");
      const auto client = Client();
      Ask(*other_, "CONFIG RESETSTAT");
      if (row.send) {
        row.send(*client);
      } else {
        SendAll(*client, EncodeCommand(SplitWords(row.command).value()));
      }
      Finish(*client);
      if (HasFatalFailure()) return;
      crowd_.clear();
      // What the command leaves to others is done too.
      Settle();
      const uint64_t steps = std::stoull(Debug("most_turn_steps"));
      if (getenv("RUNNEL_SHOW_STEPS") != nullptr) {
        fmt::print("{:>12} {:>12} {}\n", steps, row.most_steps, row.command.substr(0, 60));
      }
      EXPECT_LE(steps, row.most_steps)
          << "in a turn with " << Debug("most_turn_steps_part") << " " << row.reason;
    }
  }

  // Sends without taking anything in.
  static void SendAll(const RespClient& client, std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = send(client.fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent < 0 && errno == EAGAIN) {
        pollfd writable{client.fd(), POLLOUT, 0};
        ASSERT_EQ(poll(&writable, 1, 60'000), 1);
        continue;
      }
      ASSERT_GT(sent, 0);
      bytes.remove_prefix(static_cast<size_t>(sent));
    }
  }
  // Takes the reply to what was sent, which is no error, while the other one is served turn by
  // turn. It may be long, so nothing looks at what is in it.
  void Finish(RespClient& client) {
    const std::string end = "\r\n$7\r\nthe end\r\n";
    SendAll(client, "ECHO \"the end\"\r\n");
    std::string reply;
    char bytes[65536];
    const auto taken = [&] { return reply.size(); };
    ASSERT_TRUE(EventuallyWhileItMoves(taken, [&] {
      for (int i = 0; i < 100; i++) {
        EXPECT_EQ(Ask(*other_, "PING"), "+PONG");
        ssize_t more;
        while ((more = recv(client.fd(), bytes, sizeof(bytes), MSG_DONTWAIT)) > 0) {
          reply.append(bytes, static_cast<size_t>(more));
        }
        if (more == 0 || reply.ends_with(end)) return true;
      }
      return false;
    })) << reply.size();
    EXPECT_TRUE(reply.ends_with(end)) << "the connection was closed";
    EXPECT_FALSE(reply.starts_with("-")) << reply.substr(0, 100);
  }

  // Waits until nothing is being freed, written, saved, or read.
  void Settle() {
    ASSERT_TRUE(Eventually([&] {
      return InfoNumber(*other_, "lazyfree_pending_objects") == 0 &&
             InfoNumber(*other_, "rdb_bgsave_in_progress") == 0 &&
             InfoNumber(*other_, "cold_writes_behind") == 0;
    }));
  }

  std::string Debug(std::string_view name) {
    const std::string lines = other_->Call({"INFO", "debug"}).text;
    const size_t found = lines.find("\n" + std::string(name) + ":");
    if (found == std::string::npos) return "";
    const size_t value = found + name.size() + 2;
    return lines.substr(value, lines.find('\r', value) - value);
  }

  // --- Data ---

  // In the place of what there is.
  void Make(const Found& found) {
    Ask(*other_, "FLUSHALL");
    if (found.requests != nullptr) SendAll(*filler_, *found.requests);
    for (const std::string& line : found.then)
      SendAll(*filler_, line + "\r\n");
    SendAll(*filler_, "CLIENT REPLY ON\r\n");
    ASSERT_EQ(ToText(filler_->Read(std::chrono::minutes(1))), "+OK");
    SendAll(*filler_, "CLIENT REPLY OFF\r\n");
  }

  // Keys k<n>.
  static std::string Keys() {
    std::string requests;
    for (int n = 0; n < kMany; n++)
      requests += fmt::format("SET k{} v\r\n", n);
    return requests;
  }
  // A list of elements e<n>.
  static std::string List() {
    std::string requests;
    for (int n = 0; n < kMany; n++)
      requests += fmt::format("RPUSH l e{}\r\n", n);
    return requests;
  }
  // A stream of entries <n>-0, from 1 on.
  static std::string Stream() {
    std::string requests;
    for (int n = 1; n <= kMany; n++)
      requests += fmt::format("XADD s {}-0 field value:{}\r\n", n, n);
    return requests;
  }
  // The same, and a group that has been given all of it.
  static std::string Pending() {
    std::string requests = Stream() + "XGROUP CREATE s g 0\r\n";
    for (int n = 0; n < kMany; n += 1000)
      requests += "XREADGROUP GROUP g c COUNT 1000 STREAMS s >\r\n";
    return requests;
  }

  // A hash h of fields f<n>, a set e of members m<n>, a sorted set z of members m<n> with the score
  // n, and one of each with ten members of these: i, j, k.
  static std::string Values() {
    std::string requests;
    for (int n = 0; n < kMany; n++) {
      requests += fmt::format("HSET h f{} v\r\nSADD e m{}\r\nZADD z {} m{}\r\n", n, n, n, n);
    }
    for (int n = 0; n < 10; n++) {
      requests += fmt::format("HSET i f{} v\r\nSADD j m{}\r\nZADD k {} m{}\r\n", n, n, n, n);
    }
    return requests;
  }

  // A topic whose partition 0 has many records.
  static std::string LongTopic() {
    std::string requests = "TOPIC CREATE t PARTITIONS 2\r\n";
    for (int n = 0; n < kMany; n += 1000) {
      Argv command = {"TADDM", "t/0", "NOKEYS", "FIELDS", "1", "field", "RECORDS"};
      for (int i = 0; i < 1000; i++) {
        command.push_back(fmt::format("value:{}", n + i));
      }
      requests += EncodeCommand(command);
    }
    return requests;
  }
  // A topic of many partitions, each with a record.
  static std::string ManyPartitions() {
    std::string requests = fmt::format("TOPIC CREATE t PARTITIONS {}\r\n", kPartitions);
    for (int n = 0; n < kPartitions; n++) {
      requests += fmt::format("TADD t/{} * field value:{}\r\n", n, n);
    }
    return requests;
  }
  // The command with an item for each partition, and what follows each.
  static Send ForEachPartition(const Argv& begin, const Argv& behind) {
    return [=](RespClient& client) {
      Argv command = begin;
      for (int n = 0; n < kPartitions; n++) {
        command.push_back(fmt::format("t/{}", n));
        command.insert(command.end(), behind.begin(), behind.end());
      }
      SendAll(client, EncodeCommand(command));
    };
  }

  std::unique_ptr<RespClient> filler_;
  std::unique_ptr<RespClient> other_;
  std::vector<std::unique_ptr<RespClient>> crowd_;  // idle clients of a row
  bool counts_ = false;

  // --- The table ---

  // First that, then these commands.
  static Found Then(const Found& found, std::vector<std::string> lines) {
    return {found.requests, std::move(lines)};
  }
  // The command with kMany arguments between its begin and its end.
  static Send Many(const Argv& begin, const std::string& prefix, const Argv& end = {}) {
    return [=](RespClient& client) {
      Argv command = begin;
      for (int i = 0; i < kMany; i++)
        command.push_back(prefix + std::to_string(i));
      command.insert(command.end(), end.begin(), end.end());
      SendAll(client, EncodeCommand(command));
    };
  }
  // The command beside kClients clients that do nothing.
  Send InCrowd(const std::string& line) {
    return [=, this](RespClient& client) {
      while (crowd_.size() < kClients) {
        crowd_.push_back(Client());
        if (crowd_.size() % 100 == 0) WaitUntilRead(*other_);
      }
      SendAll(client, line + "\r\n");
    };
  }
  static Send Line(const std::string& line) {
    return [=](RespClient& client) { SendAll(client, line + "\r\n"); };
  }
  std::vector<Row> Rows();
};

std::vector<TurnsTest::Row> TurnsTest::Rows() {
  const std::string reply = "the reply has an item for each";
  const std::string pending = "it looks whether each is pending";
  const std::string arguments = "the request has an argument for each";
  static const std::string keys = Keys(), list = List(), stream = Stream(), group = Pending(),
                           bytes = EncodeCommand({"SET", "b", std::string(kLongString, 'v')}),
                           records = LongTopic(), parts = ManyPartitions(), members = Values();
  const Found many_keys{&keys, {}}, long_list{&list, {}}, long_stream{&stream, {}};
  const Found many_pending{&group, {}}, long_string{&bytes, {}};
  const Found long_topic{&records, {}}, many_partitions{&parts, {}};
  const Found values{&members, {}};
  const std::string partitions = "it is about each partition";
  const std::string inputs = "it looks at each member of its inputs";
  return {
      // Keys.
      {"FLUSHALL", many_keys},
      {"FLUSHALL ASYNC", many_keys},
      {"FLUSHDB SYNC", many_keys},
      {"KEYS *", many_keys, PerItem(50, kMany), reply},
      {"KEYS nothing*", many_keys, PerItem(50, kMany), "it must look at each key"},
      {"SCAN 0 COUNT 1000000", many_keys, PerItem(60, kMany), reply},
      {"DBSIZE", many_keys},
      {"RANDOMKEY", many_keys},
      {"SWAPDB 0 1", many_keys},
      {"MSET of many", {}, PerItem(400, kMany), arguments, Many({"MSET"}, "k")},
      {"DEL of many", many_keys, PerItem(300, kMany), arguments, Many({"DEL"}, "k")},
      {"EXISTS of many", many_keys, PerItem(100, kMany), arguments, Many({"EXISTS"}, "k")},
      {"MGET of many", many_keys, PerItem(150, kMany), arguments, Many({"MGET"}, "k")},
      {"WATCH of many", many_keys, PerItem(400, kMany), arguments, Many({"WATCH"}, "k")},
      {"keys that expire",
       {},
       kPipeline,
       "",
       [](RespClient& client) {
         for (int n = 0; n < kMany; n++)
           SendAll(client, fmt::format("SET k{} v PX 1\r\n", n));
       }},
      // Values that are freed.
      {"DEL l", long_list},
      {"UNLINK l", long_list},
      {"SET l x", long_list},
      {"DEL s", many_pending},
      {"RENAME s t", Then(many_pending, {"SET t x"})},
      {"COPY l m", long_list},
      {"COPY s t", many_pending},
      {"DUMP l", long_list, PerItem(40, kMany), reply},
      {"DUMP s", many_pending, PerItem(70, kMany), reply},
      {"RESTORE m", long_list, PerItem(100, kMany), "the request holds each",
       [](RespClient& client) {
         const std::string dumped = client.Call({"DUMP", "l"}).text;
         SendAll(client, EncodeCommand({"RESTORE", "m", "0", dumped}));
       }},
      // Strings. Copying their bytes counts no steps.
      {"GET b", long_string},
      {"GETRANGE b 0 -1", long_string},
      {"STRLEN b", long_string},
      {"COPY b c", long_string},
      {"APPEND b x", long_string},
      {"SETRANGE b 16000000 x", long_string},
      {"SET b x", long_string},
      // Clients.
      {"CLIENT LIST in a crowd", {}, PerItem(3000, kClients), reply, InCrowd("CLIENT LIST")},
      {"CLIENT KILL in a crowd",
       {},
       PerItem(200, kClients),
       "it looks at each client",
       InCrowd("CLIENT KILL TYPE pubsub")},
      {"INFO clients in a crowd",
       {},
       PerItem(200, kClients),
       "it looks at each client",
       InCrowd("INFO clients")},
      {"PUBLISH beside many patterns",
       {},
       PerItem(500, kMany),
       "it matches each pattern",
       [this](RespClient& client) {
         crowd_.push_back(Client());
         Many({"PSUBSCRIBE"}, "pattern:")(*crowd_.back());
         ASSERT_TRUE(Eventually([&] { return InfoNumber(*other_, "pubsub_patterns") == kMany; }));
         SendAll(client, "PUBLISH news x\r\n");
       }},
      // Lists.
      {"RPUSH of many", {}, PerItem(60, kMany), arguments, Many({"RPUSH", "l"}, "e")},
      {"LRANGE l 0 -1", long_list, PerItem(40, kMany), reply},
      {"LRANGE l 50000 50010", long_list},
      {"LINDEX l 50000", long_list},
      {"LPOS l nothing", long_list, PerItem(30, kMany), "it must look at each element"},
      {"LPOS l e1 COUNT 0", long_list, PerItem(30, kMany), "it must look at each element"},
      {"LREM l 0 nothing", long_list, PerItem(30, kMany), "it must look at each element"},
      {"LREM l 0 e5", long_list, PerItem(30, kMany), "it must look at each element"},
      {"LINSERT l BEFORE e50000 x", long_list, PerItem(30, kMany), "it looks for the element"},
      {"LSET l 50000 x", long_list},
      {"LTRIM l 10 20", long_list},
      {"LTRIM l 50000 -1", long_list},
      {"LPOP l 100000", long_list, PerItem(40, kMany), reply},
      {"LMOVE l m LEFT RIGHT", long_list},
      {"BLPOP of many",
       {},
       PerItem(150, kMany),
       arguments,
       [this](RespClient& client) {
         Many({"BLPOP"}, "k", {"0"})(client);
         WaitUntilRead(*other_);
         EXPECT_EQ(Ask(*other_, "RPUSH k99999 x"), "1");
       }},
      // Hashes.
      {"HSET of many", {}, PerItem(300, 2 * kMany), arguments, Many({"HSET", "h"}, "f")},
      {"HDEL of many", values, PerItem(300, kMany), arguments, Many({"HDEL", "h"}, "f")},
      {"HMGET of many", values, PerItem(200, kMany), arguments, Many({"HMGET", "h"}, "f")},
      {"HGETALL h", values, PerItem(100, kMany), reply},
      {"HSCAN h 0 COUNT 100000", values, PerItem(150, kMany), reply},
      {"HGET h f50000", values},
      {"HLEN h", values},
      {"HRANDFIELD h 10", values},
      {"HRANDFIELD h -10", values},
      {"COPY h c", values},
      {"DUMP h", values, PerItem(150, kMany), reply},
      {"DEL h", values},
      {"SET h x", values},
      // Sets.
      {"SADD of many", {}, PerItem(300, kMany), arguments, Many({"SADD", "e"}, "m")},
      {"SREM of many", values, PerItem(300, kMany), arguments, Many({"SREM", "e"}, "m")},
      {"SMEMBERS e", values, PerItem(60, kMany), reply},
      {"SISMEMBER e m5", values},
      {"SPOP e 10", values},
      {"SPOP e 50000", values, PerItem(500, kMany), reply},
      {"SPOP e 100000", values, PerItem(60, kMany), reply},
      {"SRANDMEMBER e 10", values},
      {"SINTER e j", values},
      {"SINTERCARD 2 e j", values},
      {"SDIFF j e", values},
      {"SDIFF e j", values, PerItem(150, kMany), inputs},
      {"SUNIONSTORE u e e e e", values, PerItem(600, kMany), inputs},
      {"COPY e c", values},
      {"DEL e", values},
      {"SORT e ALPHA", values, PerItem(3000, kMany), inputs},
      // Sorted sets.
      {"ZADD of many",
       {},
       PerItem(800, kMany),
       arguments,
       [](RespClient& client) {
         Argv command = {"ZADD", "z"};
         for (int n = 0; n < kMany; n++) {
           command.push_back(std::to_string(n * 7919 % kMany));
           command.push_back("m" + std::to_string(n));
         }
         SendAll(client, EncodeCommand(command));
       }},
      {"ZREM of many", values, PerItem(800, kMany), arguments, Many({"ZREM", "z"}, "m")},
      {"ZRANGE z 0 -1", values, PerItem(100, kMany), reply},
      {"ZRANGE z 50000 50010", values},
      {"ZRANGEBYSCORE z 50000 +inf LIMIT 40000 10", values},
      {"ZCOUNT z 10 99990", values},
      {"ZLEXCOUNT z - +", values},
      {"ZRANK z m50000", values},
      {"ZPOPMIN z 100000", values, PerItem(800, kMany), reply},
      {"ZREMRANGEBYRANK z 0 -1", values, PerItem(800, kMany), "it states each that it removes"},
      {"ZINTER 2 z k", values},
      {"ZDIFF 2 k z", values},
      {"ZUNIONSTORE u 4 z z z z", values, PerItem(1500, kMany), inputs},
      {"ZRANGESTORE u z 0 -1", values, PerItem(800, kMany), inputs},
      {"ZRANDMEMBER z 10", values},
      {"COPY z c", values},
      {"DEL z", values},
      // Scripts.
      {"EVAL that looks at little", values, kUsual, "",
       [](RespClient& client) {
         SendAll(client, EncodeCommand({"EVAL", "return redis.call('hget', 'h', 'f1')", "0"}));
       }},
      // Streams.
      {"XRANGE s - +", long_stream, PerItem(120, kMany), reply},
      {"XREVRANGE s + -", long_stream, PerItem(120, kMany), reply},
      {"XRANGE s 50000 + COUNT 10", long_stream},
      {"XREVRANGE s 50000 - COUNT 10", long_stream},
      {"XREAD STREAMS s 0", long_stream, PerItem(120, kMany), reply},
      {"XLEN s", long_stream},
      {"XDEL s 50000", long_stream},
      {"XTRIM s MAXLEN 10", long_stream},
      {"XTRIM s MINID 99990", long_stream},
      {"XTRIM s MAXLEN 10 ACKED", many_pending, PerItem(200, kMany), pending},
      {"XADD s MAXLEN 10 ACKED * f v", many_pending, PerItem(400, kMany), pending},
      {"XADD s MAXLEN 10 * f v", long_stream},
      {"XINFO STREAM s", many_pending},
      {"XINFO STREAM s FULL COUNT 0", many_pending, PerItem(500, kMany), reply},
      {"XINFO STREAM s FULL", many_pending},
      {"XCFGSET s RETENTION-ENTRIES 10", long_stream},
      {"XCFGSET s ON-ACK DELETE", many_pending, PerItem(200, kMany), pending},
      {"XSETID s 200000", long_stream},
      // Consumer groups.
      {"XGROUP CREATE s h 0", many_pending},
      {"XGROUP DESTROY s g", many_pending},
      {"XGROUP DESTROY s g with ON-ACK DELETE",
       Then(many_pending, {"XGROUP CREATE s h $", "XCFGSET s ON-ACK DELETE"}), PerItem(700, kMany),
       "what no group needs any more goes with it", Line("XGROUP DESTROY s g")},
      {"XGROUP SETID s g $", many_pending},
      {"XGROUP DELCONSUMER s g c", many_pending},
      {"XREADGROUP GROUP g c COUNT 1000000 STREAMS s >", Then(long_stream, {"XGROUP CREATE s g 0"}),
       PerItem(250, kMany), reply},
      {"XREADGROUP GROUP g c NOACK COUNT 1000000 STREAMS s >",
       Then(long_stream, {"XGROUP CREATE s g 0", "XCFGSET s ON-ACK DELETE"}), PerItem(900, kMany),
       reply},
      {"XREADGROUP GROUP g c COUNT 1000000 STREAMS s 0", many_pending, PerItem(1100, kMany), reply},
      {"XREADGROUP GROUP g d CLAIM 0 COUNT 10 STREAMS s > with lost entries",
       Then(many_pending, {"XTRIM s MAXLEN 0"}), PerItem(250, kMany), "it passes over each",
       Line("XREADGROUP GROUP g d COUNT 10 CLAIM 0 STREAMS s >")},
      {"XACK of many", many_pending, PerItem(250, kMany), arguments, Many({"XACK", "s", "g"}, "")},
      {"XACK of many with ON-ACK DELETE", Then(many_pending, {"XCFGSET s ON-ACK DELETE"}),
       PerItem(1200, kMany), arguments, Many({"XACK", "s", "g"}, "")},
      {"XAUTOCLAIM s g d 0 0 COUNT 100000", many_pending, PerItem(900, kMany), reply},
      {"XAUTOCLAIM s g d 1000000 0 COUNT 100000", many_pending, PerItem(300, kMany),
       "it looks at ten times COUNT"},
      {"XCLAIM of many", many_pending, PerItem(1300, kMany), arguments,
       Many({"XCLAIM", "s", "g", "d", "0"}, "")},
      {"XPENDING s g", many_pending},
      {"XPENDING s g - + 10 c", many_pending},
      {"XPENDING s g IDLE 1000000 - + 10", many_pending, PerItem(40, kMany),
       "it looks at each until it has enough"},
      {"XPENDING s g - + 10 nobody", many_pending},
      {"XPENDING s g - + 100000", many_pending, PerItem(170, kMany), reply},
      // Topics.
      {fmt::format("TOPIC CREATE t PARTITIONS {}", kPartitions),
       {},
       PerItem(200, kPartitions),
       "it looks whether each partition is a key"},
      {"TOPIC DELETE t", many_partitions, PerItem(1500, kPartitions), partitions},
      {"TOPIC DESCRIBE t", many_partitions, PerItem(1000, kPartitions), partitions},
      {"TOPIC OFFSETS t LATEST", many_partitions, PerItem(400, kPartitions), partitions},
      {"TOPIC ALTER t RETENTION-ENTRIES 1", many_partitions, PerItem(400, kPartitions), partitions},
      {"TOPIC TRIM t/0 LATEST", long_topic},
      {"TADDM of many", long_topic, PerItem(600, kMany), arguments,
       Many({"TADDM", "t", "NOKEYS", "FIELDS", "1", "f", "RECORDS"}, "v")},
      {"TREAD COUNT 1000000 MAXSIZE 100000000 PARTITIONS t/0 0", long_topic, PerItem(250, kMany),
       reply},
      {"TREAD of many partitions", many_partitions, PerItem(1500, kPartitions), arguments,
       [](RespClient& client) {
         Argv command = {"TREAD", "COUNT", "1000000", "PARTITIONS"};
         for (int n = 0; n < kPartitions; n++) {
           command.push_back(fmt::format("t/{}", n));
         }
         command.resize(command.size() + kPartitions, "0");
         SendAll(client, EncodeCommand(command));
       }},
      // Topic groups.
      {"TREADGROUP that joins", many_partitions, PerItem(1500, kPartitions), partitions,
       Line("TREADGROUP g m COUNT 10 FROM EARLIEST TOPICS t")},
      {"TREADGROUP that comes back over another connection",
       Then(many_partitions, {"TREADGROUP g m COUNT 1000000 FROM EARLIEST TOPICS t"}),
       PerItem(1500, kPartitions), partitions, Line("TREADGROUP g m COUNT 10 TOPICS t")},
      {"TREADGROUP COUNT 1000000 MAXSIZE 100000000 TOPICS t", Then(long_topic, {"TGROUP CREATE g"}),
       PerItem(250, kMany), reply, Line("TREADGROUP g m COUNT 1000000 MAXSIZE 100000000 TOPICS t")},
      {"TCOMMIT of many", Then(many_partitions, {"TGROUP CREATE g"}), PerItem(1500, kPartitions),
       arguments, ForEachPartition({"TCOMMIT", "g"}, {"0", "1"})},
      {"TACK of many", Then(long_topic, {"TGROUP CREATE g"}), PerItem(800, kMany), arguments,
       Many({"TACK", "g", "t/0", "0"}, "1-")},
      {"TGROUP LEAVE g m",
       Then(many_partitions, {"TREADGROUP g m COUNT 10 FROM EARLIEST TOPICS t"}),
       PerItem(500, kPartitions), partitions},
      {"TGROUP RESET g t TO LATEST",
       Then(many_partitions, {"TREADGROUP g m COUNT 10 FROM EARLIEST TOPICS t"}),
       PerItem(1500, kPartitions), partitions},
      {"TGROUP LAG g", Then(many_partitions, {"TREADGROUP g m COUNT 10 FROM EARLIEST TOPICS t"}),
       PerItem(1500, kPartitions), partitions},
      {"TGROUP DELETE g FORCE",
       Then(many_partitions, {"TREADGROUP g m COUNT 10 FROM EARLIEST TOPICS t"}),
       PerItem(500, kPartitions), partitions},
      // Transactions.
      {"EXEC of many",
       {},
       PerItem(500, kMany / 10),
       "a transaction is one turn",
       [](RespClient& client) {
         std::string requests = "MULTI\r\n";
         for (int i = 0; i < kMany / 10; i++)
           requests += "INCR n\r\n";
         client.SendRaw(requests);
         for (int i = 0; i < 1 + kMany / 10; i++)
           client.Read();
         SendAll(client, "EXEC\r\n");
       }},
      // Pipelines are cut into turns.
      {"many INCR in one pipeline",
       {},
       kPipeline,
       "",
       [](RespClient& client) {
         std::string requests;
         for (int i = 0; i < kMany; i++)
           requests += "INCR n\r\n";
         SendAll(client, requests);
       }},
      // Snapshots.
      {"BGSAVE with many keys", many_keys, kUsual, "", Line("BGSAVE")},
      {"BGSAVE with a long list", long_list, kUsual, "", Line("BGSAVE")},
      {"BGSAVE with a long stream", many_pending, kUsual, "", Line("BGSAVE")},
  };
}

TEST_F(TurnsTest, HotData) {
  Start({});
  Check(Rows());
}

TEST_F(TurnsTest, ColdData) {
  Start({"--stream-memory", "512kb"});
  Check(Rows());
}

}  // namespace
}  // namespace runnel::test
