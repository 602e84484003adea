// How much memory clients can make the server take that do not behave: each row of the table is one
// way, and the most by which the resident memory may grow, at its highest and after they have gone.
// The kernel keeps the highest value, so nothing between two looks is missed.
#include <errno.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <fstream>
#include <functional>

#include "tests/process/server_test.h"

namespace runnel::test {
namespace {

constexpr int64_t kKilobyte = 1024;
constexpr int64_t kMegabyte = 1024 * 1024;

// What the allocator and the kernel round up, and what all clients use together.
constexpr int64_t kSlack = 12 * kMegabyte;
// Of what was given back: pages that are not empty, and what any connection leaves (its slot in
// tables that do not shrink).
constexpr int64_t kRest = 16 * kMegabyte;

class HostileTest : public ServerTest {
 protected:
  using Clients = std::vector<std::unique_ptr<RespClient>>;

  struct Row {
    const char* name;
    Argv server;  // options of the server
    // What is there before; may be empty.
    std::function<void()> prepare;
    // Connects and does what does not behave. The clients stay until it was measured.
    std::function<void(Clients&)> attack;
    int64_t most;  // bytes at the highest
    // Bytes that stay, besides kRest, because they are data.
    int64_t stays = 0;
  };

  void Check(const Row& row) {
    SCOPED_TRACE(row.name);
    StartServer(row.server);
    admin_ = Client();
    if (row.prepare) row.prepare();
    // What the preparation has freed is given back.
    int64_t before = Resident();
    EXPECT_TRUE(Eventually([&] {
      const int64_t last = std::exchange(before, Resident());
      return InfoNumber(*admin_, "lazyfree_pending_objects") == 0 && before >= last;
    }));
    ForgetHighest();
    Clients clients;
    row.attack(clients);
    if (HasFatalFailure()) return;
    WaitUntilDone();
    const int64_t most = Highest() - before;
    clients.clear();
    EXPECT_TRUE(Eventually([&] { return InfoNumber(*admin_, "connected_clients") == 1; }));
    int64_t rest = 0;
    EXPECT_TRUE(Eventually([&] {
      rest = Resident() - before;
      return rest <= kRest + row.stays;
    })) << rest / kKilobyte
        << " kB are not given back, used_memory is " << InfoField(*admin_, "used_memory");
    EXPECT_LE(most, row.most);
    if (getenv("RUNNEL_SHOW_MEMORY") != nullptr) {
      fmt::print("{:<44} {:>8} kB, at most {:>8}; {:>8} stay\n", row.name, most / kKilobyte,
                 row.most / kKilobyte, rest / kKilobyte);
    }
  }

  // --- What the kernel says of the server ---

  int64_t Status(const std::string& name) const {
    std::ifstream status(fmt::format("/proc/{}/status", server_->pid()));
    for (std::string line; std::getline(status, line);) {
      if (line.starts_with(name + ":")) return std::stoll(line.substr(name.size() + 1)) * kKilobyte;
    }
    throw std::runtime_error("no " + name);
  }
  int64_t Resident() const { return Status("VmRSS"); }
  int64_t Highest() const { return Status("VmHWM"); }
  void ForgetHighest() const {
    std::ofstream(fmt::format("/proc/{}/clear_refs", server_->pid())) << "5\n";
  }

  // Waits until the server does nothing for the clients any more: it has read what it wants to, and
  // executed what it can.
  void WaitUntilDone() {
    const std::string look = EncodeCommand({"INFO", "all"});
    const auto done = [&] {
      const int64_t read = InfoNumber(*admin_, "total_net_input_bytes");
      const int64_t executed = InfoNumber(*admin_, "total_commands_processed");
      for (int i = 0; i < 10; i++)
        WaitUntilRead(*admin_);
      // Nothing has come but what asks.
      const auto own = static_cast<int64_t>(2 * look.size() + 10 * EncodeCommand({"PING"}).size());
      return InfoNumber(*admin_, "total_net_input_bytes") - read == own &&
             InfoNumber(*admin_, "total_commands_processed") - executed == 12 &&
             InfoNumber(*admin_, "cold_waiting_clients") == 0;
    };
    EXPECT_TRUE(Eventually(done));
  }

  // --- Means ---

  // Sends as much of it as the server and the kernel take from a client that does not read. Returns
  // how much that was.
  size_t Stuff(const RespClient& client, std::string_view bytes) {
    constexpr int kRefusals = 3;
    size_t sent = 0;
    for (int refused = 0; refused < kRefusals && sent < bytes.size();) {
      const std::string_view rest = bytes.substr(sent);
      const ssize_t more = send(client.fd(), rest.data(), rest.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (more > 0) {
        sent += static_cast<size_t>(more);
        refused = 0;
        continue;
      }
      if (errno != EAGAIN) break;  // it was closed
      // The server reads what it wants to.
      WaitUntilRead(*admin_);
      refused++;
    }
    return sent;
  }
  void Set(const std::string& key, size_t bytes) {
    ASSERT_EQ(ToText(admin_->Call({"SET", key, std::string(bytes, 'v')})), "+OK");
  }
  static std::string Repeated(const std::string& request, int times) {
    std::string requests;
    for (int i = 0; i < times; i++)
      requests += request;
    return requests;
  }
  // So many subscribers of a channel that never read; messages are published until all are cut off.
  void SlowSubscribers(Clients& clients, int count, size_t message_bytes) {
    for (int i = 0; i < count; i++) {
      clients.push_back(Client());
      ASSERT_EQ(Ask(*clients.back(), "SUBSCRIBE news"), "[\"subscribe\", \"news\", 1]");
    }
    const std::string message(message_bytes, 'm');
    while (admin_->Call({"PUBLISH", "news", message}).integer > 0) {
    }
  }

  std::unique_ptr<RespClient> admin_;
};

TEST_F(HostileTest, WhoDoesNotRead) {
  constexpr int kClients = 20;
  Check({"20 clients that do not read their replies",
         {"--client-output-memory", "16mb"},
         [&] { Set("key", 100'000); },
         [&](Clients& clients) {
           const std::string pipeline = Repeated("GET key\r\n", 3000);  // 300 MB of replies
           for (int i = 0; i < kClients; i++) {
             clients.push_back(Client());
             Stuff(*clients.back(), pipeline);
           }
         },
         // Each may have a little unread, however much that is together.
         16 * kMegabyte + kClients * 3 * kMegabyte / 2 + kSlack});
}

TEST_F(HostileTest, WhoAsksForOneLargeReplyAndDoesNotReadIt) {
  Check({"a reply of 16 MB that 5 do not read",
         {},
         [&] { Set("key", 16 * kMegabyte); },
         [&](Clients& clients) {
           for (int i = 0; i < 5; i++) {
             clients.push_back(Client());
             clients.back()->SendRaw("GET key\r\n");
             WaitUntilRead(*admin_);
           }
         },
         // The value is copied for each of them. Their number and the limit of unread output
         // (client-output-buffer-limit) bound that, as in Redis.
         5 * 16 * kMegabyte + kSlack});
}

TEST_F(HostileTest, WhoDoesNotFinishARequest) {
  constexpr int kClients = 50;
  Check({"50 requests of which 1 MB came",
         {},
         {},
         [&](Clients& clients) {
           const std::string part =
               "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$100000000\r\n" + std::string(kMegabyte, 'x');
           for (int i = 0; i < kClients; i++) {
             clients.push_back(Client());
             ASSERT_EQ(Stuff(*clients.back(), part), part.size());
           }
           WaitUntilRead(*admin_);
         },
         // What they have sent, in buffers that grow by half: the one before goes only then.
         kClients * kMegabyte * 2 + kSlack});
}

TEST_F(HostileTest, WhoPromisesMuch) {
  Check({"1000 requests that promise a million arguments",
         {},
         {},
         [&](Clients& clients) {
           for (int i = 0; i < 1000; i++) {
             clients.push_back(Client());
             clients.back()->SendRaw("*1000000\r\n$500000000\r\nfew bytes");
             if (i % 100 == 0) WaitUntilRead(*admin_);
           }
           WaitUntilRead(*admin_);
         },
         1000 * 8 * kKilobyte + kSlack});
}

TEST_F(HostileTest, WhoSendsManyArguments) {
  constexpr int kArguments = 1'000'000;
  constexpr int64_t kBytes = kArguments * 8;  // "$2\r\nab\r\n"
  Check({"a request of a million arguments, five times",
         {},
         {},
         [&](Clients& clients) {
           std::string request = fmt::format("*{}\r\n$3\r\nDEL\r\n", kArguments + 1);
           request += Repeated("$2\r\nab\r\n", kArguments);
           for (int i = 0; i < 5; i++) {
             clients.push_back(Client());
             clients.back()->SendRaw(request);
             ASSERT_EQ(ToText(clients.back()->Read()), "0");
           }
         },
         // The request, and a view of each argument; of one client at a time.
         kBytes * 3 / 2 + kArguments * 32 + kSlack});
}

TEST_F(HostileTest, WhoWaitsWithAPipeline) {
  constexpr int kClients = 20;
  Check({"20 blocked clients that go on to send",
         {},
         {},
         [&](Clients& clients) {
           const std::string pipeline =
               Repeated(EncodeCommand({"ECHO", std::string(1000, 'x')}), 10'000);
           for (int i = 0; i < kClients; i++) {
             clients.push_back(Client());
             clients.back()->SendRaw("BLPOP queue 0\r\n");
             EXPECT_LT(Stuff(*clients.back(), pipeline), pipeline.size());
             // It will break off. If it ended in order, its kernel would go on for minutes to offer
             // the rest of the pipeline, and the server could not know.
             const linger none{.l_onoff = 1, .l_linger = 0};
             setsockopt(clients.back()->fd(), SOL_SOCKET, SO_LINGER, &none, sizeof(none));
           }
         },
         // A megabyte of input waits for each, in a buffer that grows by half.
         kClients * kMegabyte * 3 / 2 + kSlack});
}

TEST_F(HostileTest, WhoQueuesWithoutEnd) {
  constexpr int kClients = 10;
  constexpr int64_t kBytes = 2 * kMegabyte;
  Check({"10 transactions of 2 MB that do not end",
         {},
         {},
         [&](Clients& clients) {
           const std::string request = EncodeCommand({"SET", "key", std::string(1000, 'v')});
           const std::string queue =
               "MULTI\r\n" + Repeated(request, kBytes / static_cast<int64_t>(request.size()));
           for (int i = 0; i < kClients; i++) {
             clients.push_back(Client());
             clients.back()->SendRaw(queue);
             clients.back()->SendRaw("*1\r\n$4\r\n");
           }
           WaitUntilRead(*admin_);
         },
         kClients * kBytes * 3 / 2 + kSlack});
}

TEST_F(HostileTest, WhoSubscribesToMuch) {
  constexpr int kChannels = 100'000;
  Check({"100000 channels of one subscriber",
         {},
         {},
         [&](Clients& clients) {
           clients.push_back(Client());
           for (int n = 0; n < kChannels; n += 1000) {
             Argv command = {"SUBSCRIBE"};
             for (int i = n; i < n + 1000; i++)
               command.push_back(fmt::format("channel:{}", i));
             clients.back()->Send(command);
             for (int i = n; i < n + 1000; i++)
               ASSERT_EQ(clients.back()->Read().items.size(), 3u);
           }
         },
         int64_t{kChannels} * 400 + kSlack});
}

TEST_F(HostileTest, ThousandsWhoDoNothing) {
  constexpr int kClients = 9'000;
  rlimit files{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &files), 0);
  files.rlim_cur = files.rlim_max;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &files), 0);
  if (files.rlim_cur < kClients + 100) {
    GTEST_SKIP() << "only " << files.rlim_cur << " files may be open here (ulimit -n)";
  }
  Check({"9000 idle clients",
         {},
         {},
         [&](Clients& clients) {
           while (clients.size() < kClients) {
             clients.push_back(Client());
             clients.back()->SendRaw("PING\r\n");
             // Whoever comes faster than the server accepts is put off by the kernel for a second.
             if (clients.size() % 100 == 0) WaitUntilRead(*admin_);
           }
           EXPECT_EQ(InfoNumber(*admin_, "connected_clients"), kClients + 1);
         },
         kClients * 3 * kKilobyte + kSlack});
}

TEST_F(HostileTest, SlowSubscribers) {
  for (const int count : {1, 3, 4, 5, 10}) {
    const std::string name = fmt::format("{} slow subscribers", count);
    Check({name.c_str(),
           {"--client-output-buffer-limit", "pubsub 4mb 0 0"},
           {},
           [&](Clients& clients) {
             SlowSubscribers(clients, count, 50'000);
             EXPECT_EQ(InfoNumber(*admin_, "client_output_buffer_limit_disconnections"), count);
           },
           count * 5 * kMegabyte + kSlack});
  }
}

TEST_F(HostileTest, FiftySlowSubscribersThatAreCutOff) {
  Check({"50 slow subscribers, small messages",
         {"--client-output-buffer-limit", "pubsub 4mb 0 0"},
         {},
         [&](Clients& clients) { SlowSubscribers(clients, 50, 10'000); },
         50 * 5 * kMegabyte + kSlack});
}

TEST_F(HostileTest, ABurstThatIsOver) {
  constexpr int kKeys = 150'000;
  Check({"150000 keys that come and go",
         {},
         {},
         [&](Clients&) {
           for (int n = 0; n < kKeys; n += 1000) {
             Argv command = {"MSET"};
             for (int i = n; i < n + 1000; i++)
               command.insert(command.end(), {fmt::format("key:{}", i), std::string(100, 'v')});
             ASSERT_EQ(ToText(admin_->Call(command)), "+OK");
           }
           for (int n = 0; n < kKeys; n += 1000) {
             Argv command = {"DEL"};
             for (int i = n; i < n + 1000; i++)
               command.push_back(fmt::format("key:{}", i));
             ASSERT_EQ(ToText(admin_->Call(command)), "1000");
           }
         },
         int64_t{kKeys} * 260 + kSlack,
         // The table of keys does not shrink.
         int64_t{kKeys} * 16});
}

TEST_F(HostileTest, ColdReadersThatDoNotRead) {
  constexpr int kClients = 10;
  Check(
      {"10 readers of a backlog who do not read",
       {"--stream-memory", "1mb", "--client-output-memory", "16mb"},
       [&] {
         const std::string request = EncodeCommand({"XADD", "s", "*", "f", std::string(1000, 'v')});
         for (int n = 0; n < 50; n++) {
           admin_->SendRaw(Repeated(request, 1000));
           for (int i = 0; i < 1000; i++)
             admin_->Read();
         }
         EXPECT_TRUE(
             Eventually([&] { return InfoNumber(*admin_, "stream_hot_bytes") < 1'500'000; }));
       },
       [&](Clients& clients) {
         const std::string pipeline = Repeated("XRANGE s - + COUNT 1000\r\n", 300);
         for (int i = 0; i < kClients; i++) {
           clients.push_back(Client());
           Stuff(*clients.back(), pipeline);
         }
         WaitUntilRead(*admin_);
       },
       16 * kMegabyte + kClients * 3 * kMegabyte + kSlack});
}

}  // namespace
}  // namespace runnel::test
