#include "data/function_catalog.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "base/random.h"

namespace runnel {
namespace {

StoredLibrary ALibrary(const std::string& name, const std::string& function) {
  return {name, "code of " + name, {{function, 3, std::nullopt}, {function + "2", 0, "text"}}};
}

std::string BytesOf(const StoredLibrary& library) {
  std::string bytes;
  Encoder out(&bytes);
  library.Encode(&out);
  return bytes;
}

// What lies in snapshots already.
TEST(FunctionCatalogTest, BytesOfALibrary) {
  using namespace std::string_literals;
  const StoredLibrary library{"lib", "code", {{"f", 300, std::nullopt}, {"g", 0, "x"}}};
  const std::string bytes =
      "\x03lib\x04"
      "code\x02\x01"
      "f\xac\x02\x00\x01g\x00\x01\x01x"s;
  EXPECT_EQ(BytesOf(library), bytes);
  Decoder in(bytes);
  EXPECT_EQ(StoredLibrary::Load(&in), library);
  EXPECT_TRUE(in.done());
  for (size_t size = 0; size < bytes.size(); size++) {
    Decoder cut(std::string_view(bytes).substr(0, size));
    EXPECT_EQ(StoredLibrary::Load(&cut), std::nullopt) << size;
  }
  // Something else than 0 or 1 in the place of whether there is a description.
  std::string damaged = bytes;
  damaged[damaged.size() - 3] = 2;
  Decoder of_damaged(damaged);
  EXPECT_EQ(StoredLibrary::Load(&of_damaged), std::nullopt);
}

TEST(FunctionCatalogTest, LibrariesAndFunctionsAreFound) {
  FunctionCatalog catalog;
  EXPECT_TRUE(catalog.empty());
  catalog.Put(ALibrary("a", "f"));
  catalog.Put(ALibrary("b", "g"));
  EXPECT_EQ(catalog.size(), 2u);
  EXPECT_EQ(catalog.function_count(), 4u);
  EXPECT_EQ(catalog.Find("a")->library->code, "code of a");
  EXPECT_EQ(catalog.Find("A"), nullptr);
  EXPECT_EQ(catalog.OwnerOf("G2"), catalog.Find("b"));
  EXPECT_EQ(catalog.OwnerOf("h"), nullptr);
  const uint64_t number = catalog.Find("a")->number;
  catalog.Put(ALibrary("a", "h"));
  EXPECT_NE(catalog.Find("a")->number, number);
  EXPECT_EQ(catalog.OwnerOf("f"), nullptr);
  catalog.Remove("b");
  EXPECT_EQ(catalog.function_count(), 2u);
  catalog.Clear();
  EXPECT_TRUE(catalog.empty());
  EXPECT_EQ(catalog.function_count(), 0u);
  EXPECT_EQ(catalog.MemoryBytes(), 0u);
}

TEST(FunctionCatalogTest, NoFunctionIsInTwoLibraries) {
  FunctionCatalog catalog;
  catalog.Put(ALibrary("a", "f"));
  EXPECT_TRUE(catalog.MayPut(ALibrary("a", "f")));
  EXPECT_FALSE(catalog.MayPut(ALibrary("A", "f")));
  EXPECT_FALSE(catalog.MayPut(ALibrary("b", "F")));
  EXPECT_TRUE(catalog.MayPut(ALibrary("b", "g")));
  EXPECT_FALSE(catalog.MayPut({"b", "", {}}));
  EXPECT_FALSE(catalog.MayPut({"b", "", {{"g"}, {"G"}}}));
}

// What was shared stays as it was, and the memory that is counted is that of what is there.
TEST(FunctionCatalogTest, WhatIsSharedDoesNotChange) {
  Random random(1);
  FunctionCatalog catalog;
  std::shared_ptr<const FunctionCatalog::Entries> shared;
  std::string was;
  const auto all = [](const FunctionCatalog::Entries& entries) {
    std::string bytes;
    for (const auto& [name, entry] : entries) {
      bytes += BytesOf(*entry.library);
    }
    return bytes;
  };
  for (int i = 0; i < 3000; i++) {
    const std::string name(1, static_cast<char>('a' + random.Below(5)));
    if (random.Below(8) == 0) {
      if (shared != nullptr) {
        ASSERT_EQ(all(*shared), was) << i;
      }
      shared = catalog.Share();
      was = all(*shared);
    } else if (random.Below(40) == 0) {
      catalog.Clear();
    } else if (random.Below(3) == 0 && catalog.Find(name) != nullptr) {
      catalog.Remove(name);
    } else {
      catalog.Put(ALibrary(name, name + std::to_string(random.Below(3))));
    }
    size_t bytes = 0;
    size_t functions = 0;
    for (const auto& [of, entry] : catalog.entries()) {
      ASSERT_EQ(of, entry.library->name);
      bytes += entry.library->MemoryBytes();
      functions += entry.library->functions.size();
      for (const StoredFunction& function : entry.library->functions) {
        ASSERT_EQ(catalog.OwnerOf(function.name), &entry);
      }
    }
    ASSERT_EQ(catalog.MemoryBytes(), bytes);
    ASSERT_EQ(catalog.function_count(), functions);
  }
}

}  // namespace
}  // namespace runnel
