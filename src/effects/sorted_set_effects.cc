#include "effects/sorted_set_effects.h"

#include "effects/families.h"

namespace runnel {

std::span<const EffectKind> SortedSetEffects() {
  return {};
}

}  // namespace runnel
