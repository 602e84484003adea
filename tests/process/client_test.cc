// The server as programs use it: through hiredis, the client library of C that many others wrap.
#include <fmt/format.h>
#include <hiredis/async.h>
#include <hiredis/hiredis.h>
#include <poll.h>

#include <atomic>
#include <functional>
#include <set>
#include <stdexcept>
#include <thread>

#include "tests/process/server_test.h"

namespace runnel::test {
namespace {

struct FreeReply {
  void operator()(redisReply* reply) const { freeReplyObject(reply); }
};
struct FreeContext {
  void operator()(redisContext* context) const { redisFree(context); }
};
using HiredisReply = std::unique_ptr<redisReply, FreeReply>;

std::string Text(const redisReply& reply) {
  return std::string(reply.str, reply.len);
}

// A connection of hiredis that throws where the library reports an error.
class Hiredis {
 public:
  explicit Hiredis(int port) : context_(redisConnect("127.0.0.1", port)) {
    if (context_ == nullptr || context_->err != 0) throw std::runtime_error("no connection");
  }

  HiredisReply Call(const Argv& argv) {
    Append(argv);
    return Next();
  }

  // The reply to the oldest request that has none yet, or the next message.
  HiredisReply Next() {
    void* reply = nullptr;
    if (redisGetReply(context_.get(), &reply) != REDIS_OK) {
      throw std::runtime_error(context_->errstr);
    }
    return HiredisReply(static_cast<redisReply*>(reply));
  }

  // Adds a request after those that are sent when a reply is asked for.
  void Append(const Argv& argv) {
    std::vector<const char*> arguments;
    std::vector<size_t> sizes;
    for (const std::string& arg : argv) {
      arguments.push_back(arg.data());
      sizes.push_back(arg.size());
    }
    redisAppendCommandArgv(context_.get(), static_cast<int>(argv.size()), arguments.data(),
                           sizes.data());
  }

  std::string String(const Argv& argv) {
    const HiredisReply reply = Call(argv);
    return reply->str == nullptr ? "" : Text(*reply);
  }
  int64_t Integer(const Argv& argv) {
    const HiredisReply reply = Call(argv);
    EXPECT_EQ(reply->type, REDIS_REPLY_INTEGER);
    return reply->integer;
  }

 private:
  std::unique_ptr<redisContext, FreeContext> context_;
};

class ClientTest : public ServerTest {
 protected:
  void SetUp() override { StartServer(); }
  Hiredis Connect() const { return Hiredis(server_->port()); }
};

TEST_F(ClientTest, ValuesHoldAnyBytes) {
  Hiredis client = Connect();
  std::string all;
  for (int byte = 0; byte < 256; ++byte)
    all.push_back(static_cast<char>(byte));
  const std::string key = std::string("\0\r\n", 3) + all;
  EXPECT_EQ(client.String({"SET", key, all}), "OK");
  EXPECT_EQ(client.String({"GET", key}), all);
  EXPECT_EQ(client.Integer({"RPUSH", "list", all, "", key}), 3);
  EXPECT_EQ(client.String({"LPOP", "list"}), all);
  EXPECT_EQ(client.String({"LPOP", "list"}), "");
  EXPECT_EQ(client.String({"LPOP", "list"}), key);
  EXPECT_EQ(client.String({"XADD", "stream", "1-1", key, all}), "1-1");
  const HiredisReply entries = client.Call({"XRANGE", "stream", "-", "+"});
  ASSERT_EQ(entries->elements, 1u);
  const redisReply& fields = *entries->element[0]->element[1];
  ASSERT_EQ(fields.elements, 2u);
  EXPECT_EQ(Text(*fields.element[0]), key);
  EXPECT_EQ(Text(*fields.element[1]), all);
}

TEST_F(ClientTest, TenMegabytesInOneValue) {
  Hiredis client = Connect();
  std::string large(10 * 1000 * 1000, 'x');
  for (size_t i = 0; i < large.size(); i += 1000)
    large[i] = static_cast<char>(i / 1000);
  EXPECT_EQ(client.String({"SET", "string", large}), "OK");
  EXPECT_TRUE(client.String({"GET", "string"}) == large);
  EXPECT_EQ(client.Integer({"RPUSH", "list", large}), 1);
  EXPECT_TRUE(client.String({"BLPOP", "list", "0"}).empty());  // an array, not a string
  EXPECT_EQ(client.Integer({"RPUSH", "list", large}), 1);
  EXPECT_TRUE(client.String({"LPOP", "list"}) == large);
  EXPECT_EQ(client.String({"XADD", "stream", "1-1", "field", large}), "1-1");
  const HiredisReply entries = client.Call({"XRANGE", "stream", "-", "+"});
  ASSERT_EQ(entries->elements, 1u);
  EXPECT_TRUE(Text(*entries->element[0]->element[1]->element[1]) == large);
}

TEST_F(ClientTest, AnErrorIsAReplyAndTheConnectionGoesOn) {
  Hiredis client = Connect();
  client.Integer({"RPUSH", "list", "a"});
  const HiredisReply error = client.Call({"GET", "list"});
  EXPECT_EQ(error->type, REDIS_REPLY_ERROR);
  EXPECT_EQ(Text(*error), "WRONGTYPE Operation against a key holding the wrong kind of value");
  EXPECT_EQ(client.Integer({"LLEN", "list"}), 1);
}

TEST_F(ClientTest, APipelineIsAnsweredInItsOrder) {
  Hiredis client = Connect();
  constexpr int kRequests = 50'000;
  for (int i = 0; i < kRequests; ++i) {
    client.Append({"RPUSH", "list", std::to_string(i)});
    client.Append({"ECHO", std::to_string(i)});
  }
  for (int i = 0; i < kRequests; ++i) {
    ASSERT_EQ(client.Next()->integer, i + 1);
    ASSERT_EQ(Text(*client.Next()), std::to_string(i));
  }
  const HiredisReply list = client.Call({"LRANGE", "list", "0", "-1"});
  ASSERT_EQ(list->elements, static_cast<size_t>(kRequests));
  for (int i = 0; i < kRequests; ++i)
    ASSERT_EQ(Text(*list->element[i]), std::to_string(i));
}

TEST_F(ClientTest, ATransactionIsOneReply) {
  Hiredis client = Connect();
  client.Append({"MULTI"});
  client.Append({"INCR", "n"});
  client.Append({"RPUSH", "n", "wrong type"});
  client.Append({"INCR", "n"});
  client.Append({"EXEC"});
  EXPECT_EQ(Text(*client.Next()), "OK");
  for (int i = 0; i < 3; ++i)
    EXPECT_EQ(Text(*client.Next()), "QUEUED");
  const HiredisReply results = client.Next();
  ASSERT_EQ(results->elements, 3u);
  EXPECT_EQ(results->element[0]->integer, 1);
  EXPECT_EQ(results->element[1]->type, REDIS_REPLY_ERROR);
  EXPECT_EQ(results->element[2]->integer, 2);
}

TEST_F(ClientTest, AQueueHandsEveryJobOverInOrder) {
  constexpr int kJobs = 20'000;
  std::vector<std::string> received;
  std::thread consumer([&] {
    Hiredis client = Connect();
    while (true) {
      const HiredisReply popped = client.Call({"BRPOP", "urgent", "jobs", "0"});
      if (Text(*popped->element[0]) == "urgent") break;
      received.push_back(Text(*popped->element[1]));
    }
  });
  Hiredis producer = Connect();
  for (int i = 0; i < kJobs; ++i)
    producer.Integer({"LPUSH", "jobs", std::to_string(i)});
  const auto left = [&] { return producer.Integer({"LLEN", "jobs"}); };
  EXPECT_TRUE(EventuallyWhileItMoves(left, [&] { return left() == 0; }));
  producer.Integer({"LPUSH", "urgent", "stop"});
  consumer.join();
  ASSERT_EQ(received.size(), static_cast<size_t>(kJobs));
  for (int i = 0; i < kJobs; ++i)
    ASSERT_EQ(received[i], std::to_string(i));
}

// The IDs that one member of a group gets and acknowledges, until all messages are acknowledged.
std::vector<std::string> Consume(Hiredis client, const std::string& name, int messages,
                                 std::atomic<int>* acknowledged) {
  std::vector<std::string> ids;
  while (acknowledged->load() < messages) {
    const HiredisReply streams = client.Call({"XREADGROUP", "GROUP", "group", name, "COUNT", "10",
                                              "BLOCK", "20", "STREAMS", "stream", ">"});
    if (streams->type == REDIS_REPLY_NIL) continue;
    const redisReply& entries = *streams->element[0]->element[1];
    Argv ack = {"XACK", "stream", "group"};
    for (size_t i = 0; i < entries.elements; ++i) {
      ack.push_back(Text(*entries.element[i]->element[0]));
      ids.push_back(ack.back());
    }
    *acknowledged += static_cast<int>(client.Integer(ack));
  }
  return ids;
}

TEST_F(ClientTest, AGroupGetsEveryMessageExactlyOnce) {
  constexpr int kMessages = 10'000;
  constexpr int kConsumers = 4;
  Hiredis producer = Connect();
  EXPECT_EQ(producer.String({"XGROUP", "CREATE", "stream", "group", "$", "MKSTREAM"}), "OK");
  std::atomic<int> acknowledged = 0;
  std::vector<std::string> ids[kConsumers];
  std::vector<std::thread> consumers;
  for (int i = 0; i < kConsumers; ++i) {
    consumers.emplace_back([&, i] {
      ids[i] = Consume(Connect(), fmt::format("consumer-{}", i), kMessages, &acknowledged);
    });
  }
  std::set<std::string> sent;
  for (int i = 0; i < kMessages; ++i) {
    sent.insert(producer.String({"XADD", "stream", "*", "n", std::to_string(i)}));
  }
  for (std::thread& consumer : consumers)
    consumer.join();

  EXPECT_EQ(sent.size(), static_cast<size_t>(kMessages));
  EXPECT_EQ(acknowledged, kMessages);
  size_t received = 0;
  for (const std::vector<std::string>& some : ids) {
    received += some.size();
    for (const std::string& id : some)
      EXPECT_EQ(sent.erase(id), 1u) << id;
  }
  EXPECT_EQ(received, static_cast<size_t>(kMessages));
  EXPECT_EQ(producer.Call({"XPENDING", "stream", "group"})->element[0]->integer, 0);
  EXPECT_EQ(producer.Integer({"XLEN", "stream"}), kMessages);
}

TEST_F(ClientTest, ASubscriberGetsEveryMessageOfItsChannels) {
  constexpr int kMessages = 5000;
  Hiredis subscriber = Connect();
  EXPECT_EQ(Text(*subscriber.Call({"SUBSCRIBE", "news"})->element[0]), "subscribe");
  EXPECT_EQ(Text(*subscriber.Call({"PSUBSCRIBE", "n?ws"})->element[0]), "psubscribe");
  std::thread publisher([&] {
    Hiredis client = Connect();
    for (int i = 0; i < kMessages; ++i) {
      EXPECT_EQ(client.Integer({"PUBLISH", "news", std::to_string(i)}), 2);
      EXPECT_EQ(client.Integer({"PUBLISH", "other", "unheard"}), 0);
    }
  });
  for (int i = 0; i < kMessages; ++i) {
    const HiredisReply message = subscriber.Next();
    EXPECT_EQ(Text(*message->element[0]), "message");
    EXPECT_EQ(Text(*message->element[2]), std::to_string(i));
    const HiredisReply pattern_message = subscriber.Next();
    EXPECT_EQ(Text(*pattern_message->element[0]), "pmessage");
    EXPECT_EQ(Text(*pattern_message->element[3]), std::to_string(i));
  }
  publisher.join();
  EXPECT_EQ(subscriber.Call({"UNSUBSCRIBE", "news"})->element[2]->integer, 1);
  EXPECT_EQ(subscriber.Call({"PUNSUBSCRIBE"})->element[2]->integer, 0);
  EXPECT_EQ(subscriber.String({"PING"}), "PONG");
}

// hiredis's asynchronous interface, driven with poll().
class AsyncClient {
 public:
  using Callback = std::function<void(const redisReply* reply)>;

  explicit AsyncClient(int port) : context_(redisAsyncConnect("127.0.0.1", port)) {
    if (context_ == nullptr || context_->err != 0) throw std::runtime_error("no connection");
    context_->data = this;
    context_->ev.data = this;
    context_->ev.addRead = [](void* self) { static_cast<AsyncClient*>(self)->events_ |= POLLIN; };
    context_->ev.delRead = [](void* self) { static_cast<AsyncClient*>(self)->events_ &= ~POLLIN; };
    context_->ev.addWrite = [](void* self) { static_cast<AsyncClient*>(self)->events_ |= POLLOUT; };
    context_->ev.delWrite = [](void* self) {
      static_cast<AsyncClient*>(self)->events_ &= ~POLLOUT;
    };
    redisAsyncSetConnectCallback(context_, [](const redisAsyncContext* context, int status) {
      static_cast<AsyncClient*>(context->data)->connected_ = status == REDIS_OK;
    });
    redisAsyncSetDisconnectCallback(context_, [](const redisAsyncContext* context, int status) {
      auto* self = static_cast<AsyncClient*>(context->data);
      self->context_ = nullptr;
      self->ended_well_ = status == REDIS_OK;
    });
  }
  ~AsyncClient() {
    if (context_ != nullptr) redisAsyncFree(context_);
  }
  AsyncClient(const AsyncClient&) = delete;
  AsyncClient& operator=(const AsyncClient&) = delete;

  // The callback is called with each reply to the command; it must outlive the connection.
  void Call(Callback* callback, const char* line) {
    redisAsyncCommand(
        context_,
        [](redisAsyncContext*, void* reply, void* callback) {
          // Commands that the end of the connection overtook have no reply.
          if (reply != nullptr)
            (*static_cast<Callback*>(callback))(static_cast<redisReply*>(reply));
        },
        callback, line);
  }

  void Disconnect() { redisAsyncDisconnect(context_); }

  // Sends and receives until `done`. False if that takes too long.
  bool RunUntil(const std::function<bool()>& done) {
    const Clock::time_point deadline = Clock::now() + kPatience;
    while (!done()) {
      if (context_ == nullptr || Clock::now() >= deadline) return false;
      pollfd descriptor{context_->c.fd, events_, 0};
      constexpr int kMostMs = 100;
      if (poll(&descriptor, 1, kMostMs) <= 0) continue;
      if ((descriptor.revents & (POLLIN | POLLHUP | POLLERR)) != 0) redisAsyncHandleRead(context_);
      if (context_ != nullptr && (descriptor.revents & POLLOUT) != 0) {
        redisAsyncHandleWrite(context_);
      }
    }
    return true;
  }

  bool connected() const { return connected_; }
  bool ended() const { return context_ == nullptr; }
  bool ended_well() const { return ended_well_; }

 private:
  redisAsyncContext* context_;
  short events_ = 0;
  bool connected_ = false;
  bool ended_well_ = false;
};

TEST_F(ClientTest, AsynchronousCallsAreAnsweredInTheirOrder) {
  constexpr int kRequests = 5000;
  AsyncClient client(server_->port());
  std::vector<int64_t> replies;
  AsyncClient::Callback collect = [&](const redisReply* reply) {
    replies.push_back(reply->integer);
  };
  for (int i = 0; i < kRequests; ++i)
    client.Call(&collect, "INCR n");
  EXPECT_TRUE(client.RunUntil([&] { return replies.size() == kRequests; }));
  EXPECT_TRUE(client.connected());
  for (int i = 0; i < kRequests; ++i)
    ASSERT_EQ(replies[i], i + 1);
  client.Disconnect();
  EXPECT_TRUE(client.ended() || client.RunUntil([&] { return client.ended(); }));
  EXPECT_TRUE(client.ended_well());
}

TEST_F(ClientTest, AsynchronousSubscriberIsCalledForEachMessage) {
  constexpr size_t kMessages = 100;
  AsyncClient subscriber(server_->port());
  std::vector<std::string> events;
  AsyncClient::Callback collect = [&](const redisReply* reply) {
    const redisReply& last = *reply->element[reply->elements - 1];
    events.push_back(last.type == REDIS_REPLY_INTEGER ? Text(*reply->element[0]) : Text(last));
  };
  subscriber.Call(&collect, "SUBSCRIBE news");
  ASSERT_TRUE(subscriber.RunUntil([&] { return events.size() == 1; }));
  EXPECT_EQ(events[0], "subscribe");
  Hiredis publisher = Connect();
  for (size_t i = 0; i < kMessages; ++i) {
    EXPECT_EQ(publisher.Integer({"PUBLISH", "news", std::to_string(i)}), 1);
  }
  ASSERT_TRUE(subscriber.RunUntil([&] { return events.size() == 1 + kMessages; }));
  for (size_t i = 0; i < kMessages; ++i)
    EXPECT_EQ(events[1 + i], std::to_string(i));
}

}  // namespace
}  // namespace runnel::test
