#pragma once

#include <string>
#include <utility>
#include <variant>

#include "base/assert.h"

// How functions report expected failures: by a Status, or by a Result<T>, which holds either a
// value or the Status that says why there is none. Broken invariants are not reported: they abort
// (see base/assert.h).

namespace runnel {

class [[nodiscard]] Status {
 public:
  // Success.
  Status() = default;

  // A failure; `message` is a full text for a person (what is wrong, and with which value).
  static Status Error(std::string message) { return Status(std::move(message), 0); }
  // A failure that the operating system reported: the message is "`what`: " and the system's text
  // for `error_number` (not 0).
  static Status SystemError(const std::string& what, int error_number);

  bool ok() const { return message_.empty(); }
  // Empty on success.
  const std::string& message() const { return message_; }
  // The errno of the failure, 0 if it has none: it tells a full disk from a broken one.
  int error_number() const { return error_number_; }

 private:
  Status(std::string message, int error_number)
      : message_(std::move(message)), error_number_(error_number) {
    CHECK(!message_.empty());
  }

  std::string message_;
  int error_number_ = 0;
};

template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::move(value)) {}
  Result(Status failure) : state_(std::move(failure)) { CHECK(!std::get<Status>(state_).ok()); }

  bool ok() const { return std::holds_alternative<T>(state_); }
  // The text of the failure. REQUIRES: !ok().
  const std::string& message() const { return std::get<Status>(state_).message(); }
  Status status() const { return ok() ? Status() : std::get<Status>(state_); }

  // REQUIRES: ok().
  T& operator*() { return std::get<T>(state_); }
  const T& operator*() const { return std::get<T>(state_); }
  T* operator->() { return &std::get<T>(state_); }
  const T* operator->() const { return &std::get<T>(state_); }

 private:
  std::variant<T, Status> state_;
};

}  // namespace runnel
