#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "broker/testing.h"
#include "server/config.h"
#include "server/roles.h"
#include "server/saver.h"
#include "server/storage.h"
#include "tests/sim/crash_client.h"
#include "tests/sim/model_disk.h"
#include "tests/sim/model_network.h"
#include "tests/sim/stepped_worker.h"

namespace runnel::sim {

class Lobby;

// A whole server but for its sockets and threads: broker, storage, snapshots and roles on a model
// disk, in a model network, with clients, which have numbers. It takes the turns of
// server/server.cc. A process of it begins with Start and ends with Stop; its disk and its
// configuration stay.
class ModelServer {
 public:
  // Makes a connection to the server of this name, as Loop::ConnectTcp does.
  using Connect =
      std::function<std::unique_ptr<Attempt>(const std::string& name, ConnectFunction done)>;

  // `seed` decides what the disk loses. The settings may be changed while no process runs.
  ModelServer(std::string name, uint64_t seed, Connect connect);
  ~ModelServer();

  const std::string& name() const { return name_; }
  ModelDisk& disk() { return disk_; }
  Settings& settings() { return settings_; }
  Config& config() { return config_; }
  ServerOptions& options() { return options_; }
  ColdSizes& cold_sizes() { return cold_sizes_; }
  // CONFIG SET, also while a process runs. REQUIRES: it is successful.
  void Configure(std::string_view name, std::string_view value);
  // What is told of something that must not happen; without it, the test fails.
  void OnWrong(std::function<void(const std::string&)> tell) { on_wrong_ = std::move(tell); }

  // The process begins at this time of the steady clock: a leader, or a follower if the
  // configuration names a leader. It may load on in its turns while it asks others who leads. False
  // if the disk has stopped; any other failure is wrong.
  bool Start(int64_t now_ms);
  // It ends, and so does the run of the machine if the crash says so.
  void Stop(Crash crash);
  bool running() const { return harness_ != nullptr; }
  // Whether the process began as a follower.
  bool began_to_follow() const { return began_to_follow_; }
  // Processes so far.
  uint64_t lives() const { return lives_; }
  // As an operator who changes the configuration of a server that does not run.
  void SetLeader(const std::string& name) { config_.NoteLeader(name, name.empty() ? 0 : 1); }

  // Its wall clock is so much ahead of that of a server of which nothing is said, from now on. The
  // steady clock is not concerned.
  void SetWallClock(int64_t ahead_ms);

  // One round of the loop.
  void Turn(int64_t now_ms);
  // The next half of a job of each helper for which `chance` says so: the log thread, the helper,
  // the one of snapshots, the writer, the reader and the syncer of cold entries, the reader for
  // followers.
  void StepWorkers(const std::function<bool()>& chance);
  // Each new connection of the client begins with these commands.
  void Greet(size_t client, std::vector<Argv> commands) {
    greetings_[client] = std::move(commands);
  }
  // A command of the client, which connects if it has no connection.
  void Ask(Argv command, size_t client = 0);
  // Calls told(command, reply, position) for the replies that have arrived since. `position`: how
  // far the journal went when the reply was made.
  void TakeReplies(const CrashClient::Told& told, size_t client = 0);
  bool connected(size_t client) const;
  // Commands on its connection that have no reply.
  size_t unanswered(size_t client) const;
  // Somebody else's connection.
  void Accept(std::unique_ptr<ByteStream> stream);

  // REQUIRES for these: running().
  bool loading() const { return loading_; }
  Roles& roles() { return *roles_; }
  Saver& saver() { return *saver_; }
  Storage& storage() { return *storage_; }
  Keyspace& keyspace() { return harness_->keyspace; }
  Broker& broker() { return harness_->broker; }
  // How often the keyspace was loaded again in a running process.
  uint64_t reloads() const { return reloads_; }

 private:
  friend class Lobby;

  bool LoadSome();
  void BeginToServe();
  void Expect(const Status& status, std::string_view what);

  const std::string name_;
  const Connect connect_;
  ModelDisk disk_;
  Config config_;
  Settings settings_;
  ServerOptions options_;
  ColdSizes cold_sizes_ = {
      .run_bytes = 200, .write_bytes = 600, .file_bytes = 1000, .least_cache = 1};
  SteppedWorker log_, helper_, snapshot_, cold_writer_, cold_reader_, cold_syncer_, reader_;

  class Host final : public BrokerHost {};
  Host host_;
  std::unique_ptr<testing::BrokerHarness> harness_;
  std::unique_ptr<Storage> storage_;
  std::unique_ptr<Saver> saver_;
  std::unique_ptr<Roles> roles_;
  std::map<size_t, std::unique_ptr<CrashClient>> clients_;
  std::map<size_t, std::vector<Argv>> greetings_;
  std::vector<std::unique_ptr<Lobby>> lobbies_;
  bool loading_ = false;
  bool began_to_follow_ = false;
  bool asking_ = false;  // all is loaded, and it is asked who leads
  std::function<void(const std::string&)> on_wrong_;
  int64_t wall_clock_ahead_ms_ = 0;
  uint64_t lives_ = 0;
  uint64_t reloads_ = 0;
};

}  // namespace runnel::sim
