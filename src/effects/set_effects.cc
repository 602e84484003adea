#include "effects/set_effects.h"

#include "effects/families.h"

namespace runnel {

std::span<const EffectKind> SetEffects() {
  return {};
}

}  // namespace runnel
