#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace runnel::test {

// What clients did to one list or stream, and judges whether a server that forgets nothing can have
// answered like that. Clients append values, each of which exists once, and read the whole.
//
// The order of the calls is the order of the events, so no clock is needed. A client calls Begin...
// before it sends a request, and the other function after the reply has come; without it the
// outcome is unknown. May be used by several threads.
//
// The longest read tells the order of the values, so the verdict is exact, and takes O(n log n).
class History {
 public:
  // A number that is appended as decimal text.
  using Value = uint64_t;
  // One connection of one client: it has its requests executed in the order in which they begin.
  using Connection = uint64_t;

  // How new a read must be.
  enum class Demand : uint8_t {
    kNewest,  // it shows all that was acknowledged, or shown, before it began: linearizable
    kOld,     // it may show what was true some time ago, as one of a follower does; but nothing
              // else, and never less than a read before it on the same connection
  };

  Connection NewConnection();

  // Returns the value to append. Its outcome is unknown, until it is told: it may be executed at
  // any time after this, or not at all.
  Value BeginAppend(Connection connection);
  // It was acknowledged; `index`, if the reply tells it: how many values are before it.
  void Acknowledge(Value value, std::optional<size_t> index = {});
  // It was refused: without effect.
  void Refuse(Value value);

  // Returns the number of the read. A read that is not ended has shown nothing.
  size_t BeginRead(Connection connection);
  void EndRead(size_t read, std::vector<Value> shown, Demand demand = Demand::kNewest);

  // What cannot be, a sentence for each; at most so many. Empty: the history is linearizable, the
  // order of each connection is kept, and what is unknown has happened once or not at all. That
  // there is no read which began after the last acknowledgement is a fault, too: such a history
  // proves nothing. REQUIRES: nobody appends or reads meanwhile.
  std::vector<std::string> Faults(size_t most = 10) const;

  // How many appends were acknowledged, and how many reads were answered.
  size_t acknowledged() const;
  size_t reads() const;

 private:
  friend class Judge;

  using Time = uint64_t;
  static constexpr Time kNever = UINT64_MAX;

  struct Append {
    Connection connection = 0;
    Time begin = 0;
    Time end = kNever;
    enum class Outcome : uint8_t { kUnknown, kAcknowledged, kRefused } outcome = Outcome::kUnknown;
    std::optional<size_t> index;
  };
  struct Read {
    Connection connection = 0;
    Time begin = 0;
    Time end = kNever;
    std::vector<Value> shown;
    Demand demand = Demand::kNewest;
  };

  mutable std::mutex mutex_;
  Time now_ = 0;
  Connection connections_ = 0;
  std::vector<Append> appends_;  // of the values from 1 on
  std::vector<Read> reads_;
};

// The faults as lines of text, for messages of tests.
std::string ToText(const std::vector<std::string>& faults);

}  // namespace runnel::test
