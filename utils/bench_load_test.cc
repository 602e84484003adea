#include "utils/bench_load.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <map>
#include <thread>
#include <vector>

namespace runnel::bench {
namespace {

const Words kPing{"PING"};

// Answers every PING with PONG, counting bytes, on a free port of 127.0.0.1, in a thread of its
// own.
class PongServer {
 public:
  PongServer() : listener_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    auto* any_address = reinterpret_cast<sockaddr*>(&address);
    EXPECT_EQ(bind(listener_, any_address, size), 0);
    EXPECT_EQ(listen(listener_, 100), 0);
    EXPECT_EQ(getsockname(listener_, any_address, &size), 0);
    endpoint_.port = ntohs(address.sin_port);
    EXPECT_EQ(pipe(stop_), 0);
    thread_ = std::thread([this] { Serve(); });
  }

  ~PongServer() {
    close(stop_[1]);
    thread_.join();
    for (int fd : {listener_, stop_[0]})
      close(fd);
  }

  const Endpoint& endpoint() const { return endpoint_; }

 private:
  void Serve() {
    std::vector<pollfd> polled{{stop_[0], POLLIN, 0}, {listener_, POLLIN, 0}};
    std::map<int, size_t> bytes;
    while (poll(polled.data(), polled.size(), -1) > 0 && polled[0].revents == 0) {
      if (polled[1].revents != 0) {
        polled.push_back({accept(listener_, nullptr, nullptr), POLLIN, 0});
      }
      for (size_t i = 2; i < polled.size(); ++i) {
        if (polled[i].revents == 0) continue;
        polled[i].revents = 0;
        if (!Answer(polled[i].fd, &bytes[polled[i].fd])) {
          close(polled[i].fd);
          polled[i].fd = -1;  // poll() skips it
        }
      }
    }
    for (size_t i = 2; i < polled.size(); ++i) {
      if (polled[i].fd >= 0) close(polled[i].fd);
    }
  }

  static bool Answer(int fd, size_t* bytes) {
    const size_t request = EncodeRequest(kPing).size();
    char buffer[1000];
    const ssize_t got = read(fd, buffer, sizeof(buffer));
    if (got <= 0) return false;
    std::string answers;
    for (*bytes += static_cast<size_t>(got); *bytes >= request; *bytes -= request) {
      answers += "+PONG\r\n";
    }
    return send(fd, answers.data(), answers.size(), MSG_NOSIGNAL) ==
           static_cast<ssize_t>(answers.size());
  }

  Endpoint endpoint_;
  const int listener_;
  int stop_[2];
  std::thread thread_;
};

LoadPlan PlanFor(const PongServer& server) {
  LoadPlan plan;
  plan.endpoint = server.endpoint();
  plan.connections = 7;
  plan.pipeline = 16;
  plan.requests = 10'007;  // so that the last batch is not a whole one
  return plan;
}

TEST(LoadTest, ClosedLoopSendsEveryRequestOnce) {
  const PongServer server;
  const LoadResult result = RunLoad(PlanFor(server), {.requests = {kPing}});
  EXPECT_EQ(result.requests, 10'007u);
  EXPECT_EQ(result.counts.replies, 10'007u);
  EXPECT_EQ(result.latency.count(), 10'007u);
  EXPECT_GT(result.seconds, 0);
}

TEST(LoadTest, ThreadsShareTheRequests) {
  const PongServer server;
  LoadPlan plan = PlanFor(server);
  plan.threads = 3;
  const LoadResult result = RunLoad(plan, {.requests = {kPing}});
  EXPECT_EQ(result.requests, 10'007u);
  EXPECT_EQ(result.latency.count(), 10'007u);
}

TEST(LoadTest, OpenLoopKeepsTheRate) {
  const PongServer server;
  LoadPlan plan = PlanFor(server);
  plan.rate = 50'000;
  const LoadResult result = RunLoad(plan, {.requests = {kPing}});
  EXPECT_EQ(result.requests, 10'007u);
  EXPECT_EQ(result.latency.count(), 10'007u);
  // The last batch is due 625 batches after the first: it cannot be answered before.
  EXPECT_GE(result.seconds, 625 * 16 / plan.rate);
}

TEST(LoadTest, TimeEndsTheRunBeforeTheRequestsDo) {
  const PongServer server;
  LoadPlan plan = PlanFor(server);
  plan.requests = 1'000'000'000'000;
  plan.seconds = 0.05;
  const LoadResult result = RunLoad(plan, {.requests = {kPing}});
  EXPECT_GT(result.requests, 0u);
  EXPECT_EQ(result.counts.replies, result.requests);
  EXPECT_GE(result.seconds, 0.05);
}

TEST(ExpectedTest, TellsWorkFromNoWork) {
  const Expected hit{.bulks_per_reply = 1};
  EXPECT_EQ(hit.Mismatch({.replies = 10, .bulks = 10}, 10), "");
  EXPECT_EQ(hit.Mismatch({.replies = 10, .bulks = 9}, 10), "the replies hold 9 strings, not 10");
  const Expected one{.integer_per_reply = 1};
  EXPECT_EQ(one.Mismatch({.replies = 10, .integers = 10}, 10), "");
  EXPECT_EQ(one.Mismatch({.replies = 10, .integers = 8}, 10), "the replies add up to 8, not to 10");
  const Expected pushes{.integers_count_up = true};
  EXPECT_EQ(pushes.Mismatch({.replies = 4, .integers = 1 + 2 + 3 + 4}, 4), "");
  EXPECT_NE(pushes.Mismatch({.replies = 4, .integers = 4}, 4), "");
}

}  // namespace
}  // namespace runnel::bench
