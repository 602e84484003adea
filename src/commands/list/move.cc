#include <algorithm>

#include "commands/arguments.h"
#include "commands/key_events.h"
#include "commands/list/commands.h"
#include "data/list/list.h"

namespace runnel::commands {
namespace {

// What a move has in common, whichever command it is.
struct MoveArguments {
  KeyRef from;
  KeyRef to;
  ListEnd from_end = ListEnd::kBack;
  ListEnd to_end = ListEnd::kFront;
};

// Applies the move of `count` of the `size` elements of the source, and notifies.
void Apply(Context& context, const MoveArguments& move, uint64_t count, uint64_t size,
           bool reversed, bool creates) {
  const bool same = move.from.name == move.to.name;
  context.Apply(ListMove{move.from, move.to, move.from_end, move.to_end, count, reversed}, count);
  if (creates) NotifyNew(context, move.to);
  context.Notify(kNotifyList, move.to_end == ListEnd::kFront ? "lpush" : "rpush", move.to);
  NotifyPopped(context, move.from, move.from_end, count == size && !same);
}

void WaitForSource(Context& context, const MoveArguments& move, int64_t deadline_ms) {
  Wait wait;
  wait.kind = WaitKind::kList;
  wait.keys = {move.from};
  wait.deadline_ms = deadline_ms;
  context.Block(std::move(wait));
}

// LMOVE and its kin. `deadline_ms` is null for those that do not block.
void MoveOne(Context& context, const MoveArguments& move, const int64_t* deadline_ms) {
  const List* source;
  if (!context.ReadForWrite(move.from, &source)) return;
  if (source == nullptr) {
    if (deadline_ms == nullptr || !context.may_block()) return context.reply().Null();
    return WaitForSource(context, move, *deadline_ms);
  }
  const List* target;
  if (!context.ReadForWrite(move.to, &target)) return;
  context.reply().Bulk(move.from_end == ListEnd::kFront ? source->Front() : source->Back());
  Apply(context, move, 1, source->size(), false, target == nullptr);
}

// Reads "source destination LEFT|RIGHT LEFT|RIGHT".
bool ReadMove(Context& context, MoveArguments* move) {
  if (!ReadListEnd(context, context.arg(3), &move->from_end)) return false;
  if (!ReadListEnd(context, context.arg(4), &move->to_end)) return false;
  move->from = context.Key(1);
  move->to = context.Key(2);
  return true;
}

// How many elements LMOVEM moves: COUNT is at most so many, EXACTLY all of them or none.
struct Amount {
  int64_t count = 1;
  bool exactly = false;
  bool one_by_one = true;
};

// Reads "[COUNT n | EXACTLY n  OBO | BULK]", which begins at argument `first`.
bool ReadAmount(Context& context, size_t first, Amount* amount) {
  if (context.argc() == first) return true;
  const bool whole = context.argc() == first + 3;
  amount->exactly = whole && Is(context.arg(first), "EXACTLY");
  if (!whole || (!amount->exactly && !Is(context.arg(first), "COUNT"))) {
    context.reply().Error(kSyntaxError);
    return false;
  }
  if (!ReadInteger(context, context.arg(first + 1), &amount->count,
                   amount->exactly ? "ERR exactly should be greater than 0"
                                   : "ERR count should be greater than 0",
                   1)) {
    return false;
  }
  amount->one_by_one = Is(context.arg(first + 2), "OBO");
  if (!amount->one_by_one && !Is(context.arg(first + 2), "BULK")) {
    context.reply().Error(kSyntaxError);
    return false;
  }
  return true;
}

// LMOVEM and BLMOVEM.
void MoveMany(Context& context, const MoveArguments& move, const Amount& amount,
              const int64_t* deadline_ms) {
  const List* source;
  if (!context.ReadForWrite(move.from, &source)) return;
  const uint64_t size = source == nullptr ? 0 : source->size();
  const uint64_t wanted = static_cast<uint64_t>(amount.count);
  if (size == 0 || (amount.exactly && size < wanted)) {
    if (deadline_ms == nullptr || !context.may_block()) return context.reply().NullArray();
    return WaitForSource(context, move, *deadline_ms);
  }
  const List* target;
  if (!context.ReadForWrite(move.to, &target)) return;

  // Moving one by one to the same end turns the order round: what was popped first lies deepest.
  // The reply is in the order of the destination.
  const uint64_t count = std::min(size, wanted);
  const bool reversed = amount.one_by_one && move.from_end == move.to_end;
  const size_t first = move.from_end == ListEnd::kFront ? 0 : size - count;
  source->Require(first, count);
  List::Iterator it = source->Seek(reversed ? first + count - 1 : first);
  context.reply().Array(count);
  for (uint64_t i = 0; i < count; i++) {
    context.reply().Bulk(it.value());
    reversed ? it.Previous() : it.Next();
  }
  Apply(context, move, count, size, reversed, target == nullptr);
}

}  // namespace

void LMove(Context& context) {
  MoveArguments move;
  if (ReadMove(context, &move)) MoveOne(context, move, nullptr);
}

void BLMove(Context& context) {
  MoveArguments move;
  int64_t deadline_ms;
  if (!ReadMove(context, &move)) return;
  if (!ReadTimeoutSeconds(context, context.arg(5), &deadline_ms)) return;
  MoveOne(context, move, &deadline_ms);
}

void RPopLPush(Context& context) {
  MoveOne(context, {context.Key(1), context.Key(2), ListEnd::kBack, ListEnd::kFront}, nullptr);
}

void BRPopLPush(Context& context) {
  int64_t deadline_ms;
  if (!ReadTimeoutSeconds(context, context.arg(3), &deadline_ms)) return;
  MoveOne(context, {context.Key(1), context.Key(2), ListEnd::kBack, ListEnd::kFront}, &deadline_ms);
}

void LMoveM(Context& context) {
  MoveArguments move;
  Amount amount;
  if (!ReadMove(context, &move) || !ReadAmount(context, 5, &amount)) return;
  MoveMany(context, move, amount, nullptr);
}

void BLMoveM(Context& context) {
  MoveArguments move;
  Amount amount;
  int64_t deadline_ms;
  if (!ReadMove(context, &move)) return;
  if (!ReadTimeoutSeconds(context, context.arg(5), &deadline_ms)) return;
  if (!ReadAmount(context, 6, &amount)) return;
  MoveMany(context, move, amount, &deadline_ms);
}

}  // namespace runnel::commands
