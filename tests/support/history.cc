#include "tests/support/history.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <unordered_map>
#include <utility>

namespace runnel::test {

History::Connection History::NewConnection() {
  const std::lock_guard lock(mutex_);
  return ++connections_;
}

History::Value History::BeginAppend(Connection connection) {
  const std::lock_guard lock(mutex_);
  appends_.push_back({connection, ++now_, kNever, Append::Outcome::kUnknown, {}});
  return appends_.size();
}

void History::Acknowledge(Value value, std::optional<size_t> index) {
  const std::lock_guard lock(mutex_);
  Append& append = appends_.at(value - 1);
  append.end = ++now_;
  append.outcome = Append::Outcome::kAcknowledged;
  append.index = index;
}

void History::Refuse(Value value) {
  const std::lock_guard lock(mutex_);
  Append& append = appends_.at(value - 1);
  append.end = ++now_;
  append.outcome = Append::Outcome::kRefused;
}

size_t History::BeginRead(Connection connection) {
  const std::lock_guard lock(mutex_);
  reads_.push_back({connection, ++now_, kNever, {}, Demand::kNewest});
  return reads_.size() - 1;
}

void History::EndRead(size_t read, std::vector<Value> shown, Demand demand) {
  const std::lock_guard lock(mutex_);
  Read& it = reads_.at(read);
  it.end = ++now_;
  it.shown = std::move(shown);
  it.demand = demand;
}

size_t History::acknowledged() const {
  const std::lock_guard lock(mutex_);
  return static_cast<size_t>(std::count_if(
      appends_.begin(), appends_.end(),
      [](const Append& append) { return append.outcome == Append::Outcome::kAcknowledged; }));
}

size_t History::reads() const {
  const std::lock_guard lock(mutex_);
  return static_cast<size_t>(std::count_if(reads_.begin(), reads_.end(),
                                           [](const Read& read) { return read.end != kNever; }));
}

// One verdict. The order of the values is that of the longest read; what was acknowledged, but is
// not in it, comes after that. So each operation has a rank in the one order that is possible: a
// read that shows n values has 2n, the append of the value with n before it has 2n + 1. Operations
// of one rank are reads, which may come in any order. The history is linearizable if no operation
// ended before another one began that has a lower rank.
class Judge {
 public:
  Judge(const History& history, size_t most) : history_(history), most_(most) {}

  std::vector<std::string> Faults() {
    ChooseOrder();
    CheckPrefixes();
    CheckValues();
    // Ranks mean nothing otherwise.
    if (faults_.empty()) CheckTime();
    if (faults_.empty()) CheckConnections();
    CheckProof();
    return std::move(faults_);
  }

 private:
  using Time = History::Time;
  using Value = History::Value;
  using Append = History::Append;
  using Read = History::Read;
  using Outcome = Append::Outcome;

  struct Operation {
    Time begin;
    Time end;
    size_t rank;
    History::Connection connection;
    bool is_read;
    bool is_old;
    size_t number;  // of the read; or the value
  };

  void Add(std::string fault) {
    if (faults_.size() < most_) faults_.push_back(std::move(fault));
  }
  static std::string Name(size_t read, const Read& of) {
    return fmt::format("read {} of connection {}, which shows {} values,", read, of.connection,
                       of.shown.size());
  }
  std::string Name(const Operation& operation) const {
    if (operation.is_read) return Name(operation.number, history_.reads_[operation.number]);
    const bool known = history_.appends_[operation.number - 1].outcome == Outcome::kAcknowledged;
    return fmt::format("{} {} of connection {}", known ? "acknowledged value" : "value",
                       operation.number, operation.connection);
  }

  void ChooseOrder() {
    for (const Read& read : history_.reads_) {
      if (read.shown.size() > order_.size()) order_ = read.shown;
    }
    for (size_t i = 0; i < order_.size(); i++) {
      const Value value = order_[i];
      if (value == 0 || value > history_.appends_.size()) {
        Add(fmt::format("value {} is shown, and nobody has appended it", value));
      } else if (history_.appends_[value - 1].outcome == Outcome::kRefused) {
        Add(fmt::format("value {} is shown, but was refused", value));
      }
      const auto [at, fresh] = index_.emplace(value, i);
      if (!fresh) {
        Add(fmt::format("value {} is shown twice, at index {} and at {}", value, at->second, i));
      }
    }
  }

  void CheckPrefixes() {
    for (size_t i = 0; i < history_.reads_.size(); i++) {
      const Read& read = history_.reads_[i];
      const auto differs = std::mismatch(read.shown.begin(), read.shown.end(), order_.begin());
      if (differs.first == read.shown.end()) continue;
      Add(fmt::format("{} has value {} at index {}, where a longer one has {}", Name(i, read),
                      *differs.first, differs.first - read.shown.begin(), *differs.second));
    }
  }

  void CheckValues() {
    for (Value value = 1; value <= history_.appends_.size(); value++) {
      const Append& append = history_.appends_[value - 1];
      if (append.outcome != Outcome::kAcknowledged || !append.index) continue;
      const size_t told = *append.index;
      const auto at = index_.find(value);
      if (at != index_.end() && at->second != told) {
        Add(fmt::format("value {} was acknowledged at index {}, and is shown at {}", value, told,
                        at->second));
      } else if (at == index_.end() && told < order_.size()) {
        Add(fmt::format("value {} was acknowledged at index {}, where {} is shown", value, told,
                        order_[told]));
      }
    }
  }

  // Those that have happened for sure, or were shown.
  std::vector<Operation> Operations() const {
    std::vector<Operation> operations;
    for (Value value = 1; value <= history_.appends_.size(); value++) {
      const Append& append = history_.appends_[value - 1];
      const auto at = index_.find(value);
      const bool shown = at != index_.end();
      if (!shown && append.outcome != Outcome::kAcknowledged) continue;
      const size_t rank = 2 * (shown ? at->second : order_.size()) + 1;
      operations.push_back(
          {append.begin, append.end, rank, append.connection, false, false, value});
    }
    for (size_t i = 0; i < history_.reads_.size(); i++) {
      const Read& read = history_.reads_[i];
      if (read.end == History::kNever) continue;
      operations.push_back({read.begin, read.end, 2 * read.shown.size(), read.connection, true,
                            read.demand == History::Demand::kOld, i});
    }
    std::sort(operations.begin(), operations.end(),
              [](const Operation& a, const Operation& b) { return a.begin < b.begin; });
    return operations;
  }

  void CheckTime() {
    std::vector<Operation> operations = Operations();
    std::vector<const Operation*> by_end;
    for (const Operation& operation : operations) {
      if (operation.end != History::kNever) by_end.push_back(&operation);
    }
    std::sort(by_end.begin(), by_end.end(),
              [](const Operation* a, const Operation* b) { return a->end < b->end; });
    // The one with the highest rank of those that ended before.
    const Operation* highest = nullptr;
    size_t ended = 0;
    for (const Operation& operation : operations) {
      for (; ended < by_end.size() && by_end[ended]->end < operation.begin; ended++) {
        if (highest == nullptr || by_end[ended]->rank > highest->rank) highest = by_end[ended];
      }
      if (highest == nullptr || operation.is_old || operation.rank >= highest->rank) continue;
      Add(fmt::format("{} ended before {} began, but comes after it in the order of the values",
                      Name(*highest), Name(operation)));
    }
  }

  void CheckConnections() {
    std::map<History::Connection, Operation> highest;
    for (const Operation& operation : Operations()) {
      const auto [at, fresh] = highest.emplace(operation.connection, operation);
      if (fresh) continue;
      if (operation.rank < at->second.rank) {
        Add(fmt::format("{} was sent before {}, but comes after it in the order of the values",
                        Name(at->second), Name(operation)));
      } else {
        at->second = operation;
      }
    }
  }

  void CheckProof() {
    Time last = 0;
    for (const Append& append : history_.appends_) {
      if (append.outcome == Outcome::kAcknowledged) last = std::max(last, append.end);
    }
    const auto proves = [&](const Read& read) {
      return read.begin > last && read.end != History::kNever &&
             read.demand == History::Demand::kNewest;
    };
    if (std::none_of(history_.reads_.begin(), history_.reads_.end(), proves)) {
      Add("no read began after the last acknowledgement: this proves nothing");
    }
  }

  const History& history_;
  const size_t most_;
  std::vector<std::string> faults_;
  std::vector<Value> order_;
  std::unordered_map<Value, size_t> index_;  // in order_
};

std::vector<std::string> History::Faults(size_t most) const {
  const std::lock_guard lock(mutex_);
  return Judge(*this, most).Faults();
}

std::string ToText(const std::vector<std::string>& faults) {
  return fmt::format("{}", fmt::join(faults, "\n"));
}

}  // namespace runnel::test
