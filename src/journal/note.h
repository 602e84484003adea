#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/position.h"
#include "env/disk.h"
#include "journal/frame.h"

// Two small files that say what the segments alone cannot: which journal this is (`identity`, in
// the journal's directory), and what of it must be there (the note, beside that directory, so that
// it is still there when the directory is not). Both are lines of text with a checksum, replaced in
// one step. README.md shows them.

namespace runnel::journal {

// What must be found at the next start. All of it was true on the disk when the note was written.
struct Note {
  Identity identity;
  // The base of the newest segment, and how long its file was at least; nothing if there is none.
  std::optional<Position> last;
  uint64_t last_bytes = 0;
  // Everything before this position was on the disk.
  Position synced = 0;
  // The journal was ended well: it ends at `synced`.
  bool closed = false;
  // Disk::BootId() of the process that wrote it; empty if that is not known.
  std::string boot;
  // The newest format version of which there may be frames; 0: not known. A server of a later
  // version writes a note before it writes a frame.
  uint8_t format = 0;
  // What frames say of being synced is about the disk of the server that made them. It is about
  // this disk for frames from here on; while the journal follows another one, for none (kNobodys).
  static constexpr Position kNobodys = UINT64_MAX;
  Position claims_from = 0;
  // What this server has told others that it has was synced before it told so (`always`): a power
  // cut takes only what nobody was told of.
  bool told_synced = false;
  // Something of what it has told others that it has may be missing: see Journal::trusted.
  bool doubted = false;

  bool operator==(const Note&) const = default;
};

// "journal.note" for the directory "journal".
std::string NotePath(const std::string& directory);
// "journal/identity"
std::string IdentityPath(const std::string& directory);

// Nothing if there is no such file. Fails if the file is damaged or of a later version; the message
// names the file and what to do.
Result<std::optional<Note>> ReadNote(Disk& disk, const std::string& directory);
Result<std::optional<Identity>> ReadIdentity(Disk& disk, const std::string& directory);

// The file is on the disk when they return; after a failure the one before is. Block.
Status WriteNote(Disk& disk, const std::string& directory, const Note& note);
Status WriteIdentity(Disk& disk, const std::string& directory, const Identity& identity);
// As WriteNote; if the disk is full the note is removed instead, which needs no room: without one
// nothing is said, and nothing untrue. The log says so.
Status WriteOrRemoveNote(Disk& disk, const std::string& directory, const Note& note);
// So that nothing is said. It needs no room on the disk. Blocks until that is on the disk.
Status RemoveNote(Disk& disk, const std::string& directory);

}  // namespace runnel::journal
