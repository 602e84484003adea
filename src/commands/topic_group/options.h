#pragma once

#include <string_view>

#include "commands/context.h"
#include "data/topic/group.h"

namespace runnel::commands {

// Reads the options of TGROUP CREATE and TGROUP ALTER from argument i on. What they do not name
// stays as it is in `*options`. FROM is only for a new group.
[[nodiscard]] bool ReadGroupOptions(Context& context, size_t i, bool creating,
                                    TopicGroupOptions* options);

std::string_view NameOf(Assignor assignor);

}  // namespace runnel::commands
