#include "effects/function_effects.h"

#include <string>
#include <vector>

#include "data/testing.h"
#include "effects/batch.h"
#include "effects/keyspace_effects.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace runnel {
namespace {

using ::testing::HasSubstr;

StoredLibrary ALibrary(std::string name, std::vector<std::string> functions) {
  StoredLibrary library{std::move(name), "the code", {}};
  for (std::string& function : functions) {
    library.functions.push_back({std::move(function), 5, "what it does"});
  }
  return library;
}

class FunctionEffectsTest : public ::testing::Test {
 protected:
  void Put(const StoredLibrary& library) {
    const PutLibrary put(library);
    ASSERT_TRUE(put.effect().Fits(keyspace_).fits());
    put.effect().Apply(keyspace_);
  }
  std::string WhyNot(const FunctionLibrary& effect) {
    const KeyspaceContent before = ContentOf(keyspace_);
    const Misfit misfit = ApplyIfFits(effect, keyspace_);
    EXPECT_EQ(ContentOf(keyspace_) == before, !misfit.fits());
    return misfit.fits() ? "it fits" : misfit.why();
  }

  Keyspace keyspace_{2};
};

TEST_F(FunctionEffectsTest, ALibraryComesIsReplacedAndGoes) {
  StoredLibrary library = ALibrary("l", {"f", "g"});
  library.functions[1].description.reset();
  Put(library);
  EXPECT_EQ(*keyspace_.functions().Find("l")->library, library);
  EXPECT_EQ(keyspace_.functions().OwnerOf("G"), keyspace_.functions().Find("l"));
  Put(ALibrary("l", {"h"}));
  EXPECT_EQ(keyspace_.functions().OwnerOf("g"), nullptr);
  FunctionLibrary{LibraryChange::kRemove, "l", "", {}, {}, {}}.Apply(keyspace_);
  EXPECT_TRUE(ContentOf(keyspace_).empty());
  Put(ALibrary("l", {"f"}));
  Put(ALibrary("m", {"g"}));
  FunctionLibrary{LibraryChange::kRemoveAll, "", "", {}, {}, {}}.Apply(keyspace_);
  EXPECT_TRUE(ContentOf(keyspace_).empty());
}

TEST_F(FunctionEffectsTest, AFlushOfTheKeysLeavesThem) {
  Put(ALibrary("l", {"f"}));
  Flush{true, 0}.Apply(keyspace_);
  Flush{false, 1}.Apply(keyspace_);
  Swap{0, 1}.Apply(keyspace_);
  EXPECT_EQ(ContentOf(keyspace_).size(), 1u);
}

TEST_F(FunctionEffectsTest, WhatDoesNotFitIsRefused) {
  Put(ALibrary("l", {"f"}));
  const auto why_not = [&](const StoredLibrary& library) {
    return WhyNot(PutLibrary(library).effect());
  };
  EXPECT_EQ(why_not(ALibrary("m", {"g", "f"})), "another library has a function of this name");
  EXPECT_EQ(why_not(ALibrary("m", {"F"})), "another library has a function of this name");
  EXPECT_EQ(why_not(ALibrary("m", {"g", "G"})), "another library has a function of this name");
  EXPECT_THAT(why_not(ALibrary("m", {})), HasSubstr("another"));
  EXPECT_THAT(why_not(ALibrary("", {"g"})), HasSubstr("another"));
  EXPECT_EQ(why_not(ALibrary("l", {"f", "g"})), "it fits");

  EXPECT_EQ(WhyNot({LibraryChange::kRemove, "m", "", {}, {}, {}}), "there is no such library");
  EXPECT_EQ(WhyNot({LibraryChange::kRemove, "l", "code", {}, {}, {}}), "the fields are no library");
  EXPECT_EQ(WhyNot({LibraryChange::kRemoveAll, "l", "", {}, {}, {}}), "the fields are no library");
  EXPECT_EQ(WhyNot({static_cast<LibraryChange>(3), "l", "", {}, {}, {}}),
            "there is no such change of libraries");
  const std::string_view names[] = {"h"};
  const std::string_view described[] = {"text"};
  const std::string_view nothing[] = {""};
  const uint64_t without[] = {0};
  const uint64_t too_large[] = {uint64_t{1} << 33};
  EXPECT_EQ(WhyNot({LibraryChange::kPut, "m", "", names, {}, nothing}),
            "the fields are no library");
  EXPECT_EQ(WhyNot({LibraryChange::kPut, "m", "", names, without, {}}),
            "the fields are no library");
  EXPECT_EQ(WhyNot({LibraryChange::kPut, "m", "", names, without, described}),
            "the fields are no library");
  EXPECT_EQ(WhyNot({LibraryChange::kPut, "m", "", names, too_large, nothing}),
            "the fields are no library");
  EXPECT_EQ(WhyNot({LibraryChange::kPut, "m", "", names, without, nothing}), "it fits");
}

TEST_F(FunctionEffectsTest, ItsBytesAreCountedAtLeast) {
  StoredLibrary library = ALibrary("l", {"f", "g", "h"});
  library.functions[1].name = std::string(300, 'x');
  library.functions[2].description = std::string(70'000, 'y');
  const PutLibrary put(library);
  Batch batch;
  batch.set_on(true);
  batch.Add(put.effect());
  EXPECT_GE(put.bytes() + 32, batch.bytes().size());
}

}  // namespace
}  // namespace runnel
