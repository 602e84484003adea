#include "tests/sim/crash_client.h"

#include <utility>
#include <vector>
namespace runnel::sim {

void CrashClient::Request(Argv args) {
  waiting_.push_back(std::move(args));
  Continue();
}

void CrashClient::Continue() {
  while (session_ != nullptr && session_->takes_requests() && !waiting_.empty()) {
    asked_.push_back(std::move(waiting_.front()));
    waiting_.pop_front();
    const std::vector<std::string_view> views(asked_.back().begin(), asked_.back().end());
    broker_.Execute(*session_, views);
  }
}

void CrashClient::NoteTurn(Position end) {
  if (session_ == nullptr) return;
  const size_t made = asked_.size() - (session_->takes_requests() ? 0 : 1);
  made_.resize(made, end);
}

void CrashClient::Send(Rope&& bytes) {
  if (!disk_.stopped()) received_ += bytes.ToString();
}

bool CrashClient::Receive(const Told& told) {
  std::string_view bytes = received_;
  while (!bytes.empty()) {
    test::Reply reply;
    size_t used = 0;
    if (test::ParseReply(bytes, &reply, &used) != test::ParseResult::kDone) return false;
    bytes.remove_prefix(used);
    if (made_.empty()) return false;
    told(asked_.front(), reply, made_.front());
    asked_.pop_front();
    made_.pop_front();
  }
  received_.clear();
  return true;
}

void CrashClient::CloseNow() {
  if (session_ == nullptr) return;
  broker_.Disconnect(*std::exchange(session_, nullptr));
}

}  // namespace runnel::sim
