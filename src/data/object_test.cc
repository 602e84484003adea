#include "data/object.h"

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "data/disposer.h"
#include "data/hash/hash.h"
#include "data/list/list.h"
#include "data/set/set.h"
#include "data/sorted_set/sorted_set.h"
#include "data/stream/stream.h"
#include "data/string_object.h"
#include "gtest/gtest.h"

// What holds for the values of all types that clients fill with strings.

namespace runnel {
namespace {

struct Filling {
  const char* name;
  // A value with these strings, which are all different.
  std::function<std::unique_ptr<Object>(const std::vector<std::string>&)> make;
};

template <class T, class Add>
Filling Of(const char* name, Add add) {
  return {name, [add](const std::vector<std::string>& strings) {
            auto value = std::make_unique<T>();
            for (size_t i = 0; i < strings.size(); i++) {
              add(*value, strings[i], i);
            }
            return value;
          }};
}

std::vector<Filling> Fillings() {
  using Text = const std::string&;
  return {
      {"string",
       [](const std::vector<std::string>& strings) {
         auto value = std::make_unique<StringObject>("");
         for (const std::string& text : strings) {
           value->Append(text);
         }
         return value;
       }},
      Of<List>("list", [](List& v, Text text, size_t) { v.PushBack(text); }),
      Of<Set>("set", [](Set& v, Text text, size_t) { v.Add(text); }),
      Of<SortedSet>("sorted set",
                    [](SortedSet& v, Text text, size_t i) { v.Set(text, static_cast<double>(i)); }),
      Of<Hash>("fields", [](Hash& v, Text text, size_t) { v.Set(text, ""); }),
      Of<Hash>("values",
               [](Hash& v, Text text, size_t i) { v.Set("f" + std::to_string(i), text); }),
      Of<Hash>("fields that expire",
               [](Hash& v, Text text, size_t i) {
                 v.Set(text, "");
                 v.SetExpiry(text, static_cast<int64_t>(i));
               }),
      Of<Stream>("stream",
                 [](Stream& v, Text text, size_t i) {
                   const std::string_view fields[] = {"f", text};
                   v.Append({i + 1, 0}, fields, {});
                 }),
  };
}

// However many samples a client asks for, they are no more than there is to look at.
TEST(Object, MemoryIsReckonedFromAnyNumberOfSamples) {
  std::vector<std::string> strings;
  for (int i = 0; i < 5000; i++) {
    strings.push_back(std::to_string(i) + std::string(80, 'x'));
  }
  for (const Filling& filling : Fillings()) {
    SCOPED_TRACE(filling.name);
    const std::unique_ptr<Object> value = filling.make(strings);
    const size_t whole = value->MemoryBytes(0);
    EXPECT_GT(whole, strings.size() * 80);
    for (int bit = 0; bit < 64; bit++) {
      for (const size_t samples : {(size_t{1} << bit) - 1, size_t{1} << bit}) {
        const size_t bytes = value->MemoryBytes(samples);
        EXPECT_GT(bytes, whole / 2) << samples;
        EXPECT_LT(bytes, whole * 2) << samples;
        if (samples >= strings.size()) {
          EXPECT_EQ(bytes, whole) << samples;
        }
      }
    }
  }
}

// A value that takes long to free is freed by a helper thread: also if it is few allocations of
// many pages.
TEST(Object, FewLongStringsTakeLongToFree) {
  constexpr size_t kLong = 4'000'000;
  std::vector<std::string> strings;
  for (char c : {'a', 'b', 'c'}) {
    strings.emplace_back(kLong, c);
  }
  for (const Filling& filling : Fillings()) {
    SCOPED_TRACE(filling.name);
    EXPECT_LT(filling.make({"a", "b", "c"})->FreeEffort(), 20u);
    const std::unique_ptr<Object> value = filling.make(strings);
    EXPECT_GT(value->FreeEffort(), kMostFreedInPlace);
    EXPECT_LT(value->FreeEffort(), 3 * strings.size() * kLong / 4096);
    EXPECT_EQ(value->Clone()->FreeEffort(), value->FreeEffort());
  }
}

}  // namespace
}  // namespace runnel
