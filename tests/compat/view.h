#pragma once

#include "tests/compat/script.h"
#include "tests/support/reply.h"

namespace runnel::compat {

// What of a reply is compared: the reply after the modifiers of its step have taken out what two
// servers cannot have in common, such as clocks, ids of connections and the order of a set.
test::Reply Viewed(const test::Reply& reply, const Step& step);

// Takes the fields with these names out of every map of the reply, however deep, and out of every
// array that is a map in RESP2: one of even size with bulk strings in all its even places.
void DropFields(const std::vector<std::string>& names, test::Reply* reply);

// In the same places, replaces the values of these fields by a note. A null stays unless `nulls`:
// often whether a value is there can be compared, even if the value cannot.
void MaskFields(const std::vector<std::string>& names, test::Reply* reply, bool nulls = false);

}  // namespace runnel::compat
