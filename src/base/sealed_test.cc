#include "base/sealed.h"

#include <gtest/gtest.h>

#include <string>

namespace runnel {
namespace {

TEST(SealedTest, TheBodyComesBack) {
  const std::string sealed = Seal("title 1\nbody");
  EXPECT_EQ(sealed.size(), 12u + 8u);
  EXPECT_EQ(Unseal(sealed, "title 1\n"), "body");
  EXPECT_EQ(Unseal(Seal("title 1\n"), "title 1\n"), "");
  EXPECT_FALSE(Unseal(sealed, "title 2\n"));
}

TEST(SealedTest, DamageIsFound) {
  const std::string sealed = Seal("title 1\nbody");
  EXPECT_FALSE(Unseal(sealed + "x", "title 1\n"));
  for (size_t i = 0; i < sealed.size(); i++) {
    EXPECT_FALSE(Unseal(sealed.substr(0, i), "title 1\n")) << i;
    std::string changed = sealed;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    EXPECT_FALSE(Unseal(changed, "title 1\n")) << i;
  }
}

}  // namespace
}  // namespace runnel
