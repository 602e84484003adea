#pragma once

#include <span>

#include "effects/effect.h"

namespace runnel {

// The effects of each family, for the table in effect.cc. A new family adds its line here and
// there.
std::span<const EffectKind> KeyspaceEffects();
std::span<const EffectKind> StringEffects();
std::span<const EffectKind> ListEffects();
std::span<const EffectKind> StreamEffects();
std::span<const EffectKind> GroupEffects();
std::span<const EffectKind> TopicEffects();
std::span<const EffectKind> TopicGroupEffects();
std::span<const EffectKind> HashEffects();
std::span<const EffectKind> SetEffects();
std::span<const EffectKind> SortedSetEffects();
std::span<const EffectKind> FunctionEffects();

}  // namespace runnel
