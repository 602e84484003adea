#include "tests/sim/model_server.h"

#include <gtest/gtest.h>

#include <utility>

#include "broker/commands/broker_families.h"
#include "replication/wire.h"
#include "resp/request_parser.h"

namespace runnel::sim {
namespace {

// A step of loading: small, so that other servers go on meanwhile.
constexpr size_t kLoadBudget = 3;
constexpr ColdSizes kColdSizes = {
    .run_bytes = 200, .write_bytes = 600, .file_bytes = 1000, .least_cache = 1};

}  // namespace

// A connection that has not become a link yet, and its session: waits for REPLICATION FOLLOW.
class Lobby final : public ByteStreamHandler, public Transport {
 public:
  Lobby(std::unique_ptr<ByteStream> stream, ModelServer& server)
      : stream_(std::move(stream)), server_(server) {
    stream_->Start(this);
  }
  ~Lobby() override { Leave(); }

  bool done() const { return stream_ == nullptr || closed_; }

  // ByteStreamHandler
  std::span<char> ReadBuffer() override { return buffer_; }
  void OnRead(size_t bytes) override {
    input_.append(buffer_, bytes);
    RequestParser parser;
    if (session_ != nullptr ||
        parser.Parse(input_, {1 << 20, true}) != RequestParser::Outcome::kRequest) {
      return;
    }
    if (server_.loading()) return Reply("-LOADING\r\n");
    if (parser.args()[0] == "PING") {
      input_.erase(0, parser.consumed());
      return Reply("+PONG\r\n");
    }
    if (parser.args()[1] == "LEADER") {
      return Reply("+" + server_.roles().Claim().ToLine() + "\r\n");
    }
    auto request = replication::FollowRequest::FromWords(parser.args().subspan(2));
    ASSERT_TRUE(request.ok()) << request.status().message();
    session_ = &server_.broker().Connect(this);
    const Status admitted = server_.roles().Admit(*session_, *request);
    if (admitted.ok()) return;
    Leave();
    Reply("-ERR " + std::string(admitted.message()) + "\r\n");
  }
  // One that becomes a link will see it there.
  void OnEnd(std::string_view) override {
    if (session_ == nullptr) stream_->Close();
  }
  void OnWritten(std::string_view) override {}
  void OnClosed() override {
    Leave();
    closed_ = true;
  }

  // Transport
  std::unique_ptr<ByteStream> GiveAway() override {
    Leave();
    stream_->PauseReading();
    return std::move(stream_);
  }
  void Send(Rope&&) override {}
  void CloseAfterSending() override { CloseNow(); }
  void CloseNow() override {
    Leave();
    stream_->Close();
  }
  void Continue() override {}
  size_t unsent_bytes() const override { return 0; }
  size_t unsent_memory() const override { return 0; }
  size_t input_bytes() const override { return 0; }
  size_t input_memory() const override { return 0; }
  int fd() const override { return -1; }
  const std::string& peer() const override { return peer_; }
  const std::string& local() const override { return peer_; }
  bool is_unix() const override { return false; }

 private:
  void Leave() {
    if (session_ != nullptr) server_.broker().Disconnect(*std::exchange(session_, nullptr));
  }
  void Reply(const std::string& text) {
    const iovec vector{const_cast<char*>(text.data()), text.size()};
    stream_->TryWrite(&vector, 1);
  }

  std::unique_ptr<ByteStream> stream_;
  ModelServer& server_;
  Session* session_ = nullptr;
  char buffer_[512];
  std::string input_;
  std::string peer_ = "127.0.0.1:1";
  bool closed_ = false;
};

ModelServer::ModelServer(std::string name, uint64_t seed, Connect connect)
    : name_(std::move(name)), connect_(std::move(connect)), disk_(seed) {
  options_.dir = ".";
  options_.unclean_leader_election = true;
  // Whoever chance promotes leads, and what it lacks is given up. Others reach it by its name.
  const Config::Pair settings[] = {{"unclean-leader-election", "yes"},
                                   {"replica-announce-ip", name_},
                                   {"replica-announce-port", "1"}};
  EXPECT_TRUE(config_.Set(settings).ok());
}

ModelServer::~ModelServer() {
  if (running()) Stop(Crash::kProcess);
}

bool ModelServer::Start(int64_t now_ms) {
  lives_++;
  harness_ = std::make_unique<testing::BrokerHarness>(settings_, host_);
  for (const auto family : {ConnectionCommands(), TransactionCommands(), IntrospectionCommands()}) {
    harness_->broker.commands().Add(family);
  }
  harness_->clock.Advance(now_ms);
  harness_->broker.UpdateTime();
  storage_ = std::make_unique<Storage>(
      disk_, harness_->clock,
      Storage::Workers{log_, helper_, snapshot_, cold_writer_, cold_reader_, cold_syncer_},
      options_, settings_.cold, harness_->keyspace, kColdSizes);
  saver_ = std::make_unique<Saver>(storage_->snapshotter(), harness_->broker, options_,
                                   harness_->clock, disk_, [this] { return roles_->hold(); });
  roles_ = std::make_unique<Roles>(Roles::Parts{
      harness_->broker, *storage_,
      [this](const std::string& host, int, ConnectFunction done) {
        return connect_(host, std::move(done));
      },
      harness_->clock, reader_, config_, *saver_, name_ + "-" + std::to_string(lives_)});
  harness_->broker.set_loading(true);
  loading_ = true;
  const Status opened = storage_->Open();
  EXPECT_TRUE(opened.ok() || disk_.stopped()) << opened.message();
  while (opened.ok() && loading_ && LoadSome()) {
    // What it began is to end before it begins anew.
    if (!storage_->may_load()) StepWorkers([] { return true; });
  }
  if (loading_) return false;
  client_ = std::make_unique<CrashClient>(harness_->broker, disk_);
  return true;
}

// False if that was in vain.
bool ModelServer::LoadSome() {
  options_.leader_host = config_.options().leader_host;
  if (!storage_->may_load()) return true;
  const auto all = storage_->LoadSome(kLoadBudget);
  if (!all.ok()) {
    EXPECT_TRUE(disk_.stopped()) << name_ << ": " << all.message();
    return false;
  }
  return !*all || BeginToServe();
}

// False if that was in vain.
bool ModelServer::BeginToServe() {
  if (!roles_->must_load()) {
    if (const Status opened = roles_->Open(); !opened.ok()) {
      EXPECT_TRUE(disk_.stopped()) << name_ << ": " << opened.message();
      return false;
    }
  }
  loading_ = false;
  Broker& broker = harness_->broker;
  broker.set_loading(false);
  broker.KeepIn(storage_->journal());
  broker.UseCold(storage_->cold());
  roles_->must_load() ? roles_->OnLoaded() : roles_->Begin();
  saver_->StartFrom(storage_->found());
  return true;
}

void ModelServer::Turn(int64_t now_ms) {
  testing::ManualClock& clock = harness_->clock;
  const int64_t passed_ms = now_ms - (clock.steady_us - testing::ManualClock().steady_us) / 1000;
  clock.Advance(passed_ms);
  Broker& broker = harness_->broker;
  broker.UpdateTime();
  broker.RunTimers();
  broker.EndTurn();
  if (client_ != nullptr) {
    const auto* const journal = broker.log().journal();
    client_->NoteTurn(journal == nullptr ? 0 : journal->appended());
  }
  if (!loading_) roles_->Turn();
  if (!loading_ && roles_->must_load()) {
    reloads_++;
    broker.Unload();
    loading_ = true;
  }
  if (loading_) {
    LoadSome();
  } else if (saver_->busy()) {
    saver_->Turn();
  }
  std::erase_if(lobbies_, [](const auto& lobby) { return lobby->done(); });
}

void ModelServer::StepWorkers(const std::function<bool()>& chance) {
  for (SteppedWorker* const worker :
       {&log_, &helper_, &snapshot_, &cold_writer_, &cold_reader_, &cold_syncer_, &reader_}) {
    if (chance()) worker->Step();
  }
}

void ModelServer::Ask(Argv command) {
  if (client_ == nullptr || !client_->open()) {
    client_ = std::make_unique<CrashClient>(harness_->broker, disk_);
  }
  client_->Request(std::move(command));
}

void ModelServer::TakeReplies(const std::function<void(const Argv&, const test::Reply&)>& told) {
  if (client_ == nullptr) return;
  EXPECT_TRUE(client_->Receive(
      [&](const Argv& command, const test::Reply& reply, Position) { told(command, reply); }));
}

void ModelServer::Accept(std::unique_ptr<ByteStream> stream) {
  lobbies_.push_back(std::make_unique<Lobby>(std::move(stream), *this));
}

void ModelServer::Stop(Crash crash) {
  disk_.StopNow();
  client_.reset();
  roles_->End();
  lobbies_.clear();
  Broker& broker = harness_->broker;
  broker.KeepIn(nullptr);
  broker.UseCold(nullptr);
  for (uint32_t db = 0; db < harness_->keyspace.databases(); db++) {
    harness_->keyspace.Flush(db);
  }
  roles_.reset();
  saver_.reset();
  storage_.reset();
  harness_.reset();
  for (SteppedWorker* const worker :
       {&log_, &helper_, &snapshot_, &cold_writer_, &cold_reader_, &cold_syncer_, &reader_}) {
    *worker = {};
  }
  disk_.Restart(crash);
}

}  // namespace runnel::sim
