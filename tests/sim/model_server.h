#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
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
// disk, in a model network, with one client. It takes the turns of server/server.cc. A process of
// it begins with Start and ends with Stop; its disk and what its configuration says of a leader
// stay.
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

  // The process begins at this time of the steady clock: a leader, or a follower if the
  // configuration names a leader. False if the disk has stopped; any other failure fails the test.
  bool Start(int64_t now_ms);
  // It ends, and so does the run of the machine if the crash says so.
  void Stop(Crash crash);
  bool running() const { return harness_ != nullptr; }
  // As an operator who changes the configuration of a server that does not run.
  void SetLeader(const std::string& name) { config_.NoteLeader(name, name.empty() ? 0 : 1); }

  // One round of the loop.
  void Turn(int64_t now_ms);
  // The next half of a job of each helper for which `chance` says so: the log thread, the helper,
  // the one of snapshots, the writer, the reader and the syncer of cold entries, the reader for
  // followers.
  void StepWorkers(const std::function<bool()>& chance);
  // A command of the client.
  void Ask(Argv command);
  // Calls told(command, reply) for the replies that have arrived since.
  void TakeReplies(const std::function<void(const Argv&, const test::Reply&)>& told);
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
  bool BeginToServe();

  const std::string name_;
  const Connect connect_;
  ModelDisk disk_;
  Config config_;
  Settings settings_;
  ServerOptions options_;
  SteppedWorker log_, helper_, snapshot_, cold_writer_, cold_reader_, cold_syncer_, reader_;

  class Host final : public BrokerHost {};
  Host host_;
  std::unique_ptr<testing::BrokerHarness> harness_;
  std::unique_ptr<Storage> storage_;
  std::unique_ptr<Saver> saver_;
  std::unique_ptr<Roles> roles_;
  std::unique_ptr<CrashClient> client_;
  std::vector<std::unique_ptr<Lobby>> lobbies_;
  bool loading_ = false;
  uint64_t lives_ = 0;
  uint64_t reloads_ = 0;
};

}  // namespace runnel::sim
