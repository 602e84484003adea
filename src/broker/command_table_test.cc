#include "broker/command_table.h"

#include <gtest/gtest.h>

namespace runnel {
namespace {

constexpr CommandSpec kSubcommands[] = {{.name = "create", .arity = -5},
                                        {.name = "help", .arity = 2}};
constexpr CommandSpec kSpecs[] = {
    {.name = "xgroup", .arity = -2, .subcommands = kSubcommands},
    {.name = "get", .arity = 2},
    {.name = "set", .arity = -3},
    {.name = "xautoclaim", .arity = -6},
    {.name = "xautoclain", .arity = -6},
};

TEST(CommandTable, FindsNamesInAnyCase) {
  CommandTable table;
  table.Add(kSpecs);
  for (const CommandSpec& spec : kSpecs) {
    ASSERT_NE(table.Find(spec.name), nullptr) << spec.name;
    EXPECT_EQ(table.Find(spec.name)->spec, &spec);
  }
  EXPECT_EQ(table.Find("GeT"), table.Find("get"));
  EXPECT_EQ(table.Find("XAUTOCLAIM"), table.Find("xautoclaim"));
  EXPECT_NE(table.Find("xautoclaim"), table.Find("xautoclain"));
  EXPECT_EQ(table.Find("getx"), nullptr);
  EXPECT_EQ(table.Find(""), nullptr);
  EXPECT_EQ(table.Find(std::string(1000, 'a')), nullptr);
}

TEST(CommandTable, SubcommandsHaveFullNamesAndParents) {
  CommandTable table;
  table.Add(kSpecs);
  const Command* create = table.FindFull("XGROUP|Create");
  ASSERT_NE(create, nullptr);
  EXPECT_EQ(create->full_name, "xgroup|create");
  EXPECT_EQ(create->parent, table.Find("xgroup"));
  EXPECT_EQ(table.FindFull("xgroup|drop"), nullptr);
  EXPECT_EQ(table.FindFull("get|x"), nullptr);
}

TEST(CommandStatsTest, EveryTimeHasAPlaceInTheHistogram) {
  EXPECT_EQ(CommandStats::HistogramIndex(-1e30), 0u);
  EXPECT_EQ(CommandStats::HistogramIndex(0), 0u);
  EXPECT_EQ(CommandStats::HistogramIndex(1), 1u);
  EXPECT_EQ(CommandStats::HistogramIndex(1024), 11u);
  EXPECT_EQ(CommandStats::HistogramIndex(0x1p62), 63u);
  EXPECT_EQ(CommandStats::HistogramIndex(0x1p63), 63u);
  EXPECT_EQ(CommandStats::HistogramIndex(0x1p64), 63u);
  EXPECT_EQ(CommandStats::HistogramIndex(1e300), 63u);
}

}  // namespace
}  // namespace runnel
