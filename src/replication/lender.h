#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/position.h"
#include "base/status.h"
#include "env/byte_stream.h"
#include "env/worker.h"
#include "journal/journal.h"
#include "replication/journal_pieces.h"
#include "replication/link.h"
#include "replication/settings.h"
#include "replication/wire.h"

namespace runnel::replication {

// The side of a follower whose leader has started again, and may have lost the end of its journal:
// sends it what this server has of that. The leader takes it as a Follower does, before it begins
// its next epoch. No marks and no record are sent: nobody leads meanwhile.
//
// A step machine like Leader. All times are milliseconds of a clock that only goes forward.
class Lender final : private Link::Owner {
 public:
  struct Parts {
    const journal::Journal& journal;
    Worker& reader;       // reads the journal's files
    std::string node_id;  // of this server
    const ReplicationSettings& settings;
  };

  // Why the one that asks cannot have what this server has: its journal must be the beginning of
  // this one. A sentence.
  static Status Check(const journal::Journal& journal, const FollowRequest& request);
  // The connection becomes a link. All of `parts` outlives the lender. REQUIRES: Check was asked in
  // this turn.
  Lender(Parts parts, std::unique_ptr<ByteStream> stream, const FollowRequest& request,
         int64_t now_ms);
  // Ends the link.
  ~Lender() override;
  Lender(const Lender&) = delete;
  Lender& operator=(const Lender&) = delete;

  // Sends what is wanted. For the end of a turn.
  void Turn(int64_t now_ms);
  // When Turn has something to do though nothing happens.
  int64_t next_due_ms() const { return beat_ms_; }
  // The link is over: this can only be destroyed.
  bool ended() const { return !ended_.empty(); }

 private:
  // Link::Owner
  Status OnLine(std::string_view) override { return Status::Error("a line came"); }
  Status OnMessage(MessageType type, std::string_view body) override;
  void OnEnd(std::string_view why) override { ended_ = why; }

  void Read();
  void OnJournalRead(const JournalPieces& job);

  const Parts parts_;
  std::unique_ptr<Link> link_;
  std::string ended_;  // why
  Position sent_;
  Position received_;
  uint64_t heartbeats_ = 0;
  int64_t beat_ms_;   // when the next one is due
  int64_t heard_ms_;  // when something came last
  bool heard_ = false;
  bool reading_ = false;
  std::shared_ptr<journal::JournalReader> reader_;
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace runnel::replication
