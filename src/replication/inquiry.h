#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "env/loop.h"
#include "journal/epochs.h"
#include "replication/cluster_record.h"
#include "replication/follower.h"
#include "replication/link.h"

namespace runnel::replication {

// What a server says of who leads: the line with which it answers REPLICATION LEADER.
struct LeaderClaim {
  std::string node_id;  // of the server that says it
  uint64_t journal_id = 0;
  journal::Epoch epoch = 0;  // of the leader that it names; 0: it has not heard from it
  bool leads = false;        // the server itself leads
  std::string leader_node;   // the node id of the leader that it follows; empty if it leads
  std::string host;          // of the leader that it follows; empty if it leads
  uint16_t port = 0;
  Position end = 0;     // of its journal
  bool trusted = true;  // Journal::trusted

  std::string ToLine() const;
  // Nothing if it is none. Words that are not known here are passed over.
  static std::optional<LeaderClaim> FromLine(std::string_view line);
};

// Asks other servers who leads, each once. A step machine like Leader.
class Inquiry {
 public:
  struct Parts {
    std::function<std::unique_ptr<Attempt>(const std::string& host, int port, ConnectFunction)>
        connect;
    std::function<Follower::Credentials()> credentials;
  };
  // How long an answer may take.
  static constexpr int64_t kPatienceMs = 1000;

  // Asks the servers at these addresses. All times are milliseconds of a clock that only goes
  // forward.
  Inquiry(const Parts& parts, const std::vector<Member>& whom, int64_t now_ms);
  ~Inquiry();
  Inquiry(const Inquiry&) = delete;
  Inquiry& operator=(const Inquiry&) = delete;

  // Goes on: for the end of a turn.
  void Turn(int64_t now_ms);
  int64_t next_due_ms() const { return done() ? INT64_MAX : until_ms_; }

  // Each has answered, or does not.
  bool done() const { return asked_.empty(); }
  // A claim, and where the server that made it was reached.
  struct Answer {
    LeaderClaim claim;
    std::string host;
    uint16_t port = 0;
  };
  const std::vector<Answer>& answers() const { return answers_; }

 private:
  struct Asked;

  const Parts parts_;
  const int64_t until_ms_;
  std::list<std::unique_ptr<Asked>> asked_;
  std::vector<Answer> answers_;
};

}  // namespace runnel::replication
