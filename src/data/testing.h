#pragma once

// For tests: payloads of objects, the whole content of a keyspace as one comparable value, and
// captures.

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/assert.h"
#include "data/keyspace.h"

namespace runnel {

// nullptr if the payload is not that of a T.
template <class T>
std::unique_ptr<Object> LoadAs(std::string_view payload) {
  return FindObjectKind(T::kType)->Load(payload);
}

// What a key holds, in a form that is equal exactly if type, value and expiry are.
struct KeyContent {
  ObjectType type;
  int64_t expire_at_ms;
  std::string payload;

  bool operator==(const KeyContent&) const = default;
};

using KeyspaceContent = std::map<std::pair<uint32_t, std::string>, KeyContent>;

// The database that libraries of functions have in a content, where they stand among the keys.
inline constexpr uint32_t kContentOfLibraries = 2 * kCompanionBit;

inline void AddLibraries(const FunctionCatalog::Entries& libraries, KeyspaceContent* content) {
  for (const auto& [name, entry] : libraries) {
    std::string payload;
    Encoder encoder(&payload);
    entry.library->Encode(&encoder);
    content->insert({{kContentOfLibraries, std::string(name)},
                     {ObjectType::kString, kNoExpiry, std::move(payload)}});
  }
}

inline KeyspaceContent ContentOf(const Keyspace& keyspace) {
  KeyspaceContent content;
  for (uint32_t slot = 0; slot < keyspace.slots(); slot++) {
    const uint32_t db = Keyspace::DatabaseAt(slot);
    keyspace.table(db).ForEach([&](const KeyEntry* entry) {
      std::string payload;
      entry->value().Serialize(&payload);
      content.insert({{db, std::string(entry->name())},
                      {entry->type(), entry->expire_at_ms(), std::move(payload)}});
    });
  }
  AddLibraries(keyspace.functions().entries(), &content);
  return content;
}

// Keeps what it is given, and serialises it only when it is asked: a clone must not have changed
// with the value by then.
class HeldCapture final : public KeyspaceCapture {
 public:
  void Take(uint32_t db, std::string_view name, int64_t expire_at_ms,
            std::unique_ptr<Object> value) override {
    Held& held = held_[{db, std::string(name)}];
    CHECK(held.value == nullptr);  // no key comes twice
    held = {expire_at_ms, std::move(value)};
  }

  void TakeLibraries(std::shared_ptr<const FunctionCatalog::Entries> libraries) override {
    CHECK(libraries_ == nullptr);
    libraries_ = std::move(libraries);
  }

  KeyspaceContent Content() const {
    KeyspaceContent content;
    AddLibraries(*libraries_, &content);
    for (const auto& [key, held] : held_) {
      std::string payload;
      held.value->Serialize(&payload);
      content.insert({key, {held.value->type(), held.expire_at_ms, std::move(payload)}});
    }
    return content;
  }

 private:
  struct Held {
    int64_t expire_at_ms = 0;
    std::unique_ptr<Object> value;
  };
  std::map<std::pair<uint32_t, std::string>, Held> held_;
  std::shared_ptr<const FunctionCatalog::Entries> libraries_;
};

// Captures again and again while a test changes the keyspace, a little at each Step().
class CaptureCheck {
 public:
  // `random` is called for numbers of any size.
  template <class Random>
  void Step(Keyspace& keyspace, Random random) {
    if (!running_) {
      finished_ += capture_ != nullptr && capture_->Content() == expected_;
      wrong_ += capture_ != nullptr && capture_->Content() != expected_;
      capture_ = std::make_unique<HeldCapture>();
      expected_ = ContentOf(keyspace);
      keyspace.BeginCapture(capture_.get());
      running_ = true;
    } else if (random() % 8 == 0) {
      running_ = !keyspace.CaptureSome(random() % 32);
    }
  }

  // Captures that held, and that did not hold, the state in which they began.
  int finished() const { return finished_; }
  int wrong() const { return wrong_; }

 private:
  std::unique_ptr<HeldCapture> capture_;
  KeyspaceContent expected_;
  bool running_ = false;
  int finished_ = 0;
  int wrong_ = 0;
};

}  // namespace runnel
