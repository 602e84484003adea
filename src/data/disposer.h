#pragma once

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

namespace runnel {

class Database;

// An object that may take long to free.
class Disposable {
 public:
  virtual ~Disposable() = default;
};

// Frees, off the event loop, objects that nobody uses any more and that take long to free.
class Disposer {
 public:
  virtual ~Disposer() = default;
  // A value that no key holds any more, or parts of one.
  virtual void Dispose(std::unique_ptr<Disposable> value) = 0;
  // A database that was flushed.
  virtual void Dispose(std::unique_ptr<Database> database) = 0;
};

// Freeing an allocation takes about ten nanoseconds; a thousand of them do not delay the loop much.
inline constexpr size_t kMostFreedInPlace = 1000;

// A row of parts that a value has given up.
template <class T>
class DisposableRow final : public Disposable {
 public:
  explicit DisposableRow(std::vector<T> parts) : parts_(std::move(parts)) {}

 private:
  std::vector<T> parts_;
};

// Frees the parts: off the loop if they are many and there is a disposer (it may be null).
template <class T>
void DisposeOf(std::vector<T> parts, Disposer* disposer) {
  if (disposer == nullptr || parts.size() <= kMostFreedInPlace) return;
  disposer->Dispose(std::make_unique<DisposableRow<T>>(std::move(parts)));
}

}  // namespace runnel
