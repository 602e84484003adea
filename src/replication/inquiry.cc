#include "replication/inquiry.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "fmt/format.h"

namespace runnel::replication {
namespace {

constexpr std::string_view kVersion = "RUNNEL";

template <class T>
bool ReadUnsigned(std::string_view text, int base, T* value) {
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), *value, base);
  return error == std::errc() && stop == text.data() + text.size();
}

// Takes the first word of the text.
std::string_view NextWord(std::string_view* text) {
  const size_t end = std::min(text->find(' '), text->size());
  const std::string_view word = text->substr(0, end);
  text->remove_prefix(std::min(end + 1, text->size()));
  return word;
}

}  // namespace

std::string LeaderClaim::ToLine() const {
  return fmt::format(
      "{} NODE {} JOURNAL {:x} EPOCH {:x} ROLE {} LEADER {}:{} LEADERNODE {} END {} TRUSTED {}",
      kVersion, node_id, journal_id, epoch, leads ? "leader" : "follower", host, port,
      leader_node.empty() ? "-" : leader_node, end, trusted ? 1 : 0);
}

std::optional<LeaderClaim> LeaderClaim::FromLine(std::string_view line) {
  if (NextWord(&line) != kVersion) return std::nullopt;
  LeaderClaim claim;
  bool good = true;
  while (!line.empty()) {
    const std::string_view name = NextWord(&line);
    const std::string_view value = NextWord(&line);
    if (name == "NODE") {
      claim.node_id = value;
    } else if (name == "JOURNAL") {
      good &= ReadUnsigned(value, 16, &claim.journal_id);
    } else if (name == "EPOCH") {
      good &= ReadUnsigned(value, 16, &claim.epoch);
    } else if (name == "ROLE") {
      claim.leads = value == "leader";
    } else if (name == "END") {
      good &= ReadUnsigned(value, 10, &claim.end);
    } else if (name == "TRUSTED") {
      claim.trusted = value != "0";
    } else if (name == "LEADERNODE") {
      if (value != "-") claim.leader_node = value;
    } else if (name == "LEADER") {
      const size_t colon = value.rfind(':');
      if (colon == std::string_view::npos) return std::nullopt;
      claim.host = value.substr(0, colon);
      good &= ReadUnsigned(value.substr(colon + 1), 10, &claim.port);
    }
  }
  if (!good || claim.node_id.empty() || claim.journal_id == 0) return std::nullopt;
  return claim;
}

// One server that is asked.
struct Inquiry::Asked final : Link::Owner {
  Status OnLine(std::string_view line) override {
    if (greeted) {
      claim = line.starts_with('+') ? LeaderClaim::FromLine(line.substr(1)) : std::nullopt;
      ended = true;
    } else if (line.starts_with('-')) {
      ended = true;
    } else {
      greeted = true;
      link->SendCommand(std::vector<std::string>{"REPLICATION", "LEADER"});
      link->Flush();
    }
    return {};
  }
  Status OnMessage(MessageType, std::string_view) override {
    return Status::Error("a message came");
  }
  void OnEnd(std::string_view) override { ended = true; }

  Member member;
  std::unique_ptr<Attempt> attempt;
  std::unique_ptr<Link> link;
  bool greeted = false;
  bool ended = false;
  std::optional<LeaderClaim> claim;
};

Inquiry::Inquiry(const Parts& parts, const std::vector<Member>& whom, int64_t now_ms)
    : parts_(parts), until_ms_(now_ms + kPatienceMs) {
  for (const Member& member : whom) {
    Asked& asked = *asked_.emplace_back(std::make_unique<Asked>());
    asked.member = member;
    asked.attempt = parts_.connect(member.host, member.port,
                                   [this, &asked](Result<std::unique_ptr<ByteStream>> stream) {
                                     asked.attempt.reset();
                                     if (!stream.ok()) {
                                       asked.ended = true;
                                       return;
                                     }
                                     asked.link = Link::Begin(std::move(*stream), asked);
                                     const Follower::Credentials credentials = parts_.credentials();
                                     asked.link->SendCommand(GreetingOf(credentials));
                                     asked.link->Flush();
                                   });
  }
}

Inquiry::~Inquiry() {
  for (const auto& asked : asked_) {
    if (asked->link != nullptr) Link::End(std::move(asked->link));
  }
}

void Inquiry::Turn(int64_t now_ms) {
  for (auto it = asked_.begin(); it != asked_.end();) {
    Asked& asked = **it;
    if (!asked.ended && now_ms < until_ms_) {
      ++it;
      continue;
    }
    if (asked.claim) answers_.push_back({*asked.claim, asked.member.host, asked.member.port});
    if (asked.link != nullptr) Link::End(std::move(asked.link));
    it = asked_.erase(it);
  }
}

}  // namespace runnel::replication
