#include "effects/hash_effects.h"

#include "effects/families.h"

namespace runnel {

std::span<const EffectKind> HashEffects() {
  return {};
}

}  // namespace runnel
