#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "broker/broker.h"
#include "data/keyspace.h"
#include "env/clock.h"
#include "env/loop.h"
#include "net/network.h"
#include "server/config.h"
#include "server/loading.h"
#include "server/roles.h"
#include "server/saver.h"
#include "server/server_host.h"
#include "server/storage.h"
#include "server/storage_threads.h"
#include "server/supervisor.h"

namespace runnel {

// The whole server: puts the layers together, runs the loop, and ends it.
class Server final : public ServerHost, private Disposer {
 public:
  // The configuration and the supervisor outlive the server.
  Server(Config& config, const Supervisor& supervisor);
  ~Server() override;

  // Takes the data directory and opens the sockets. The process works in the directory from then
  // on.
  Status Start();
  // Loads the data, while clients are answered LOADING, and then serves clients, until a signal or
  // SHUTDOWN ends the server, even during loading. Fails if the data cannot be loaded. REQUIRES:
  // Start() was successful.
  Status Run();

  // ServerHost
  Config& config() override { return config_; }
  Broker& broker() override { return *broker_; }
  const ServerIdentity& identity() const override { return identity_; }
  Saver& saver() override { return *saver_; }
  Roles& roles() override { return *roles_; }
  const Loading* loading() const override { return loading_ ? &*loading_ : nullptr; }
  bool RequestShutdown(std::string_view reason, EndSave save, bool now) override;
  bool AbortShutdown() override;
  void EndAtOnce(std::string_view reason) override;
  bool stopping() const override { return stopping_; }
  uint64_t disposing_objects() const override { return disposing_; }
  size_t GoodFollowers() const override { return roles_->good_followers(); }
  std::vector<ServerLink> Links() const override { return roles_->Links(); }
  void EndLink(uint64_t id) override { roles_->EndLink(id); }
  void ServeOthers(const Session& running) override { network_->ServeOthers(running); }
  bool LeaderIsLost() const override { return roles_->leader_is_lost(); }
  bool LacksState() const override { return roles_->lacks_state(); }
  std::vector<Position> FollowerPositions(bool synced) const override {
    return roles_->leader() == nullptr ? std::vector<Position>{}
                                       : roles_->leader()->Positions(synced);
  }
  void Submit(std::function<void()> work, std::function<void()> done) override;

 private:
  void Dispose(std::unique_ptr<Disposable> value) override;
  void Dispose(std::unique_ptr<Database> database) override;
  template <class T>
  void FreeLater(std::unique_ptr<T> garbage, uint64_t objects);
  Status Listen();
  void ObeyChanges();
  void WarnAboutSettings() const;
  void LoadSome();
  void Loaded(Status loaded);
  void EndLoading(Status loaded);
  void Turn();
  void TakeSnapshotSlice();
  void ArmTimer();
  EndSave DefaultEndSave() const;
  bool WaitsForFollowers();
  bool SaveAtEnd();
  void GiveUpEnd();
  void End();
  void Cron();

  Config& config_;
  const Supervisor& supervisor_;
  ColdSettings cold_settings_;  // follows the configuration
  ServerIdentity identity_;
  Keyspace keyspace_;
  std::unique_ptr<Loop> loop_;
  std::unique_ptr<StorageThreads> threads_;
  std::unique_ptr<Storage> storage_;
  std::unique_ptr<Broker> broker_;
  std::unique_ptr<Saver> saver_;
  std::unique_ptr<Roles> roles_;
  std::unique_ptr<Network> network_;
  bool network_busy_ = false;  // the next round does not wait
  bool roles_busy_ = false;    // nor then
  std::optional<Loading> loading_;
  bool asking_ = false;           // others are asked who leads, before the end of loading
  Status load_status_;            // why what was kept could not be loaded
  std::unique_ptr<Timer> timer_;  // for what waits in the broker
  std::unique_ptr<Timer> cron_;
  int64_t timer_at_ms_ = -1;  // steady milliseconds at which timer_ fires; -1: it is not set
  uint64_t disposing_ = 0;    // values that are being freed
  bool stopping_ = false;
  EndSave end_save_ = EndSave::kNothing;
  // Steady milliseconds until which the end waits for followers.
  std::optional<int64_t> followers_until_ms_;
  bool end_aborted_ = false;
  bool ended_ = false;  // nothing that was answered waits for the disk
};

}  // namespace runnel
