#pragma once

#include <hiredis/hiredis.h>
#include <signal.h>
#include <sys/time.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// One connection to a server, for the examples. It throws where hiredis returns errors.

namespace runnel::examples {

struct FreeContext {
  void operator()(redisContext* context) const { redisFree(context); }
};
struct FreeReply {
  void operator()(redisReply* reply) const { freeReplyObject(reply); }
};
using Reply = std::unique_ptr<redisReply, FreeReply>;

// The text of a reply; that of a null is empty.
inline std::string Text(const redisReply& reply) {
  return reply.str == nullptr ? std::string() : std::string(reply.str, reply.len);
}

// There is no connection, or the server still loads its data. Nobody knows whether the command was
// executed.
class Lost : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

// The server has answered with an error. Its text begins with a code: "FENCED ...".
class Refused : public std::runtime_error {
  using std::runtime_error::runtime_error;

 public:
  bool Is(std::string_view code) const { return std::string_view(what()).starts_with(code); }
};

class Client {
 public:
  Client(std::string host, int port) : host_(std::move(host)), port_(port) {
    // Writing to a closed connection shall be an error, not the end of the process.
    signal(SIGPIPE, SIG_IGN);
  }

  // Sends the command and returns its reply. Connects first if there is no connection.
  Reply Call(const std::vector<std::string>& command) {
    if (context_ == nullptr) Connect();
    std::vector<const char*> words;
    std::vector<size_t> sizes;
    for (const std::string& word : command) {
      words.push_back(word.data());
      sizes.push_back(word.size());
    }
    const auto count = static_cast<int>(words.size());
    Reply reply(static_cast<redisReply*>(
        redisCommandArgv(context_.get(), count, words.data(), sizes.data())));
    if (reply == nullptr) Fail();
    if (reply->type != REDIS_REPLY_ERROR) return reply;
    if (Text(*reply).starts_with("LOADING")) throw Lost(Text(*reply));
    throw Refused(Text(*reply));
  }

 private:
  // Longer than any command of the examples blocks: a server that is silent for so long is gone.
  static constexpr timeval kPatience{10, 0};

  void Connect() {
    context_.reset(redisConnectWithTimeout(host_.c_str(), port_, kPatience));
    if (context_ == nullptr || context_->err != 0) Fail();
    redisSetTimeout(context_.get(), kPatience);
  }

  // A connection of hiredis is of no use after an error.
  [[noreturn]] void Fail() {
    const Lost lost(context_ == nullptr ? "out of memory" : context_->errstr);
    context_.reset();
    throw lost;
  }

  const std::string host_;
  const int port_;
  std::unique_ptr<redisContext, FreeContext> context_;
};

}  // namespace runnel::examples
