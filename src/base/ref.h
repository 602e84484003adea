#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace runnel {

// A counted reference to a T that has `void AddRef() const` and `void Unref() const` (the latter
// frees the object with the last reference). The counter is the object's own, so a T can be laid
// out as one allocation.
template <class T>
class Ref {
 public:
  Ref() = default;
  // Takes over a reference that the caller owns (that of a new object).
  static Ref Adopt(T* object) {
    Ref ref;
    ref.object_ = object;
    return ref;
  }
  Ref(const Ref& other) : object_(other.object_) {
    if (object_ != nullptr) object_->AddRef();
  }
  Ref(Ref&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  Ref& operator=(Ref other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }
  ~Ref() {
    if (object_ != nullptr) object_->Unref();
  }

  // Gives the reference to the caller, which must Unref or Adopt it.
  T* Release() { return std::exchange(object_, nullptr); }

  T* get() const { return object_; }
  T* operator->() const { return object_; }
  T& operator*() const { return *object_; }
  explicit operator bool() const { return object_ != nullptr; }

 private:
  T* object_ = nullptr;
};

}  // namespace runnel
