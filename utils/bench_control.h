#pragma once

#include <hiredis/hiredis.h>

#include <cstdint>
#include <memory>
#include <string>

#include "utils/bench_connection.h"

namespace runnel::bench {

// The names of all that the tool creates on a server. It deletes only these, so that it can be
// pointed at a server that holds other data.
inline const std::string kStream = "bench:stream";
inline const std::string kList = "bench:list";
inline const std::string kTopic = "bench:topic";
inline const std::string kValues = "bench:values";
inline const std::string kOtherValues = "bench:values:other";
inline const std::string kValuesResult = "bench:values:result";
inline const std::string kGroup = "bench:group";
inline const std::string kChannel = "bench:channel";
inline const std::string kKey = "bench:key:##########";
inline const std::string kStreams = "bench:stream:##########";
inline constexpr uint64_t kKeys = 10'000;  // the most different keys of each of these two
// The stream that the first number plus `index` stands for in kStreams.
std::string StreamName(uint64_t index);

// A connection for set-up and questions, outside of what is measured. Any error ends the process.
class Control {
 public:
  explicit Control(const Endpoint& endpoint);

  void Run(const Words& words);
  int64_t Integer(const Words& words);
  std::string Text(const Words& words);
  // A number from the text that INFO answers, or `missing` if the server does not give it.
  int64_t Info(const std::string& section, const std::string& field, int64_t missing);

  // How many entries of a stream are pending in a group.
  int64_t Pending(const std::string& stream, const std::string& group);

  // Makes the topic anew, with these options; there are no topic groups of the tool then. For
  // servers with topics only, like all that follows here.
  void MakeTopic(int partitions, const Words& options = {});
  // Makes the topic if it does not exist; returns whether it did not.
  bool NeedTopic(int partitions, const Words& options = {});
  // Deletes the topic and all topic groups of the tool.
  void DeleteTopic();
  void DeleteTopicGroups();
  // Begins a new epoch of a producer of the topic, and returns it.
  int64_t OpenProducer(const std::string& name);
  // How many records a topic group has not done.
  int64_t Lag(const std::string& group);
  // Returns once no partition is about to move; ends the process if that does not happen.
  void WaitUntilStable(const std::string& group);

  // Deletes all keys of the tool.
  void DeleteKeys();
  // Returns once the server has noticed that all other connections are closed, or after a few
  // seconds, because the server may have other clients.
  void WaitUntilAlone();
  // Returns once so many clients are blocked; ends the process if that does not happen.
  void WaitUntilBlocked(int clients);

 private:
  struct Free {
    void operator()(redisContext* context) const { redisFree(context); }
    void operator()(redisReply* reply) const { freeReplyObject(reply); }
  };
  using Reply = std::unique_ptr<redisReply, Free>;

  Reply Ask(const Words& words);

  std::unique_ptr<redisContext, Free> context_;
};

}  // namespace runnel::bench
