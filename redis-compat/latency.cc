// quorate-latency: an open-loop load generator for servers that speak RESP2.
//
// Every request has an intended send time, fixed in advance by the rate alone (constant spacing or
// a seeded Poisson process). The generator never waits for replies before it sends: a server that
// stalls for 50 ms shows 50 ms in all the requests that were due meanwhile, which a closed loop
// (redis-benchmark) hides. Latency is reply time minus intended send time. --pipeline-limit bounds
// the requests in flight on one connection; what is due beyond it waits, and its waiting counts.
//
// It links nothing of Quorate, so that it measures any server alike. One thread, epoll. With --wait
// spin, which needs a core of its own, it spins when the next send is near: a timer is late by more
// than the latencies of a server alone. With --wait sleep it leaves the core to servers that share
// it; that it then wakes late shows in the latencies.

#include <cerrno>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <random>
#include <string>
#include <string_view>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

#include "latency_histogram.h"

namespace quorate::compat {
namespace {

using Clock = std::chrono::steady_clock;

std::uint64_t now_ns() {
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now().time_since_epoch())
          .count());
}

constexpr std::uint64_t kMsNs = 1'000'000;

[[noreturn]] void fail(const std::string& what) {
  std::fprintf(stderr, "quorate-latency: %s\n", what.c_str());
  std::exit(1);
}

struct Options {
  std::string host = "127.0.0.1";
  int port = 6379;
  double rate = 10000;     // requests per second, all connections together
  double duration_s = 10;  // measured time
  double warmup_s = 1;     // sent before that at the same rate, not measured
  int connections = 50;
  std::uint64_t keys = 1000000;
  std::size_t value_bytes = 100;
  unsigned gets = 1;  // --mix gets:sets
  unsigned sets = 1;
  std::size_t pipeline_limit = 1024;
  bool poisson = false;
  bool spins = true;
  std::uint64_t seed = 1;
  bool json = false;
};

constexpr const char* kUsage =
    "usage: quorate-latency [--host H] [--port N] [--rate REQUESTS_PER_S] [--duration S] [--warmup "
    "S]\n"
    "         [--connections N] [--keys N] [--size BYTES] [--mix GETS:SETS] [--pipeline-limit N]\n"
    "         [--arrivals constant|poisson] [--seed N] [--wait spin|sleep] [--json]\n"
    "Keys are key:000000000000 and so on, as redis-benchmark names them.\n";

template <typename Number>
Number number(std::string_view name, std::string_view text) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < Number{}) {
    fail("not a number for " + std::string(name) + ": " + std::string(text));
  }
  return value;
}

void set_mix(Options& options, std::string_view text) {
  const auto colon = text.find(':');
  if (colon == std::string_view::npos) fail("--mix takes GETS:SETS");
  options.gets = number<unsigned>("--mix", text.substr(0, colon));
  options.sets = number<unsigned>("--mix", text.substr(colon + 1));
  if (options.gets + options.sets == 0) fail("--mix needs a request");
}

void set_option(Options& options, const std::string& name, const std::string& value) {
  if (name == "--host")
    options.host = value;
  else if (name == "--port")
    options.port = number<int>(name, value);
  else if (name == "--rate")
    options.rate = number<double>(name, value);
  else if (name == "--duration")
    options.duration_s = number<double>(name, value);
  else if (name == "--warmup")
    options.warmup_s = number<double>(name, value);
  else if (name == "--connections")
    options.connections = number<int>(name, value);
  else if (name == "--keys")
    options.keys = number<std::uint64_t>(name, value);
  else if (name == "--size")
    options.value_bytes = number<std::size_t>(name, value);
  else if (name == "--mix")
    set_mix(options, value);
  else if (name == "--pipeline-limit")
    options.pipeline_limit = number<std::size_t>(name, value);
  else if (name == "--seed")
    options.seed = number<std::uint64_t>(name, value);
  else if (name == "--arrivals" && (value == "constant" || value == "poisson")) {
    options.poisson = value == "poisson";
  } else if (name == "--wait" && (value == "spin" || value == "sleep")) {
    options.spins = value == "spin";
  } else {
    fail("unknown option " + name + " " + value + "\n" + kUsage);
  }
}

Options parse_options(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    if (name == "--help") {
      std::fputs(kUsage, stdout);
      std::exit(0);
    }
    if (name == "--json") {
      options.json = true;
      continue;
    }
    if (i + 1 == argc) fail("no value for " + name + "\n" + kUsage);
    set_option(options, name, argv[++i]);
  }
  if (options.rate <= 0 || options.connections < 1 || options.keys < 1 ||
      options.pipeline_limit < 1) {
    fail("--rate, --connections, --keys and --pipeline-limit must be positive");
  }
  return options;
}

// When requests are due: constant spacing, or exponential gaps of the same mean.
class Schedule {
 public:
  Schedule(const Options& options, std::uint64_t start_ns)
      : poisson_(options.poisson),
        gap_ns_(1e9 / options.rate),
        random_(options.seed),
        exponential_(1.0),
        start_ns_(start_ns) {}

  [[nodiscard]] std::uint64_t next_ns() const {
    return start_ns_ + static_cast<std::uint64_t>(offset_ns_);
  }
  void advance() { offset_ns_ += poisson_ ? gap_ns_ * exponential_(random_) : gap_ns_; }

 private:
  bool poisson_;
  double gap_ns_;
  std::mt19937_64 random_;
  std::exponential_distribution<double> exponential_;
  std::uint64_t start_ns_;
  double offset_ns_ = 0;  // a double holds nanoseconds exactly for a hundred days
};

// Finds where replies end. Only what GET and SET answer occurs: simple strings, errors and bulk
// strings.
class ReplyScanner {
 public:
  // Calls on_reply(is_error) per complete reply in `data`; keeps what is left for the next call.
  template <typename OnReply>
  void feed(std::string_view data, OnReply&& on_reply) {
    pending_.append(data);
    std::size_t position = 0;
    while (const std::size_t length = complete(position)) {
      on_reply(pending_[position] == '-');
      position += length;
    }
    pending_.erase(0, position);
  }

 private:
  // The length of the reply at `position`, 0 when it is not all there.
  [[nodiscard]] std::size_t complete(std::size_t position) const {
    const std::size_t line_end = pending_.find("\r\n", position);
    if (line_end == std::string::npos) return 0;
    std::size_t length = line_end + 2 - position;
    if (pending_[position] == '$') {
      int payload = 0;
      std::from_chars(pending_.data() + position + 1, pending_.data() + line_end, payload);
      if (payload >= 0) length += static_cast<std::size_t>(payload) + 2;
    } else if (pending_[position] != '+' && pending_[position] != '-' &&
               pending_[position] != '_') {
      fail("a reply that is neither to GET nor to SET: " + pending_.substr(position, 40));
    }
    return pending_.size() - position >= length ? length : 0;
  }

  std::string pending_;
};

struct Connection {
  int fd = -1;
  std::string output;                      // not yet taken by the kernel
  std::deque<std::uint64_t> waiting_ns;    // due, held back by the pipeline limit
  std::deque<std::uint64_t> in_flight_ns;  // intended send times of requests without a reply yet
  ReplyScanner scanner;
  bool wants_write = false;
};

struct Report {
  LatencyHistogram latency;
  std::uint64_t sent = 0;    // due within the measured time
  std::uint64_t errors = 0;  // error replies among those
  std::uint64_t unanswered = 0;
  double answered_s =
      0;  // from the start of the measured time to the last reply to a request due in it
};

class Generator {
 public:
  explicit Generator(const Options& options) : options_(options), random_(options.seed + 1) {
    epoll_ = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_ < 0) fail("epoll_create1");
    value_.assign(options.value_bytes, 'x');
    connections_.resize(static_cast<std::size_t>(options.connections));
    for (std::size_t i = 0; i < connections_.size(); ++i) connect(i);
  }
  ~Generator() {
    for (const Connection& connection : connections_) close(connection.fd);
    close(epoll_);
  }
  Generator(const Generator&) = delete;
  Generator& operator=(const Generator&) = delete;

  Report run() {
    prctl(PR_SET_TIMERSLACK, 1UL);  // ns
    const std::uint64_t start_ns = now_ns() + 10'000'000;
    measure_from_ns_ = start_ns + static_cast<std::uint64_t>(options_.warmup_s * 1e9);
    const std::uint64_t end_ns =
        measure_from_ns_ + static_cast<std::uint64_t>(options_.duration_s * 1e9);
    measure_to_ns_ = end_ns;
    Schedule schedule(options_, start_ns);
    while (schedule.next_ns() < end_ns) {
      const std::uint64_t now = now_ns();
      while (schedule.next_ns() <= now && schedule.next_ns() < end_ns) {
        due(schedule.next_ns());
        schedule.advance();
      }
      flush_all();
      if (options_.spins) {
        poll(schedule.next_ns() > now + 2'000'000 ? kMsNs : 0);
      } else {
        const std::uint64_t after_ns = now_ns();
        poll(schedule.next_ns() > after_ns ? schedule.next_ns() - after_ns : 0);
      }
    }
    // Replies still under way belong to the measurement; a server that gives none for 10 s is
    // reported.
    for (std::uint64_t deadline = now_ns() + 10'000'000'000;
         outstanding_ > 0 && now_ns() < deadline;) {
      flush_all();
      poll(kMsNs);
    }
    count_unanswered();
    return report_;
  }

 private:
  void connect(std::size_t index) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* address = nullptr;
    if (getaddrinfo(options_.host.c_str(), std::to_string(options_.port).c_str(), &hints,
                    &address) != 0) {
      fail("cannot resolve " + options_.host);
    }
    const int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || ::connect(fd, address->ai_addr, address->ai_addrlen) != 0) {
      fail("cannot connect to " + options_.host + ":" + std::to_string(options_.port) + ": " +
           std::strerror(errno));
    }
    freeaddrinfo(address);
    const int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    connections_[index].fd = fd;
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = index;
    if (epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) != 0) fail("epoll_ctl");
  }

  void due(std::uint64_t intended_ns) {
    Connection& connection = connections_[next_connection_];
    next_connection_ = (next_connection_ + 1) % connections_.size();
    if (measured(intended_ns)) ++report_.sent;
    ++outstanding_;
    connection.waiting_ns.push_back(intended_ns);
    fill(connection);
  }

  [[nodiscard]] bool measured(std::uint64_t intended_ns) const {
    return intended_ns >= measure_from_ns_ && intended_ns < measure_to_ns_;
  }

  void fill(Connection& connection) {
    while (!connection.waiting_ns.empty() &&
           connection.in_flight_ns.size() < options_.pipeline_limit) {
      append_request(connection.output);
      connection.in_flight_ns.push_back(connection.waiting_ns.front());
      connection.waiting_ns.pop_front();
    }
  }

  void append_request(std::string& output) {
    char key[32];
    const int key_length = std::snprintf(
        key, sizeof key, "key:%012llu", static_cast<unsigned long long>(random_() % options_.keys));
    const bool get = random_() % (options_.gets + options_.sets) < options_.gets;
    output += get ? "*2\r\n$3\r\nGET\r\n$" : "*3\r\n$3\r\nSET\r\n$";
    output += std::to_string(key_length) + "\r\n";
    output.append(key, static_cast<std::size_t>(key_length));
    if (!get) {
      output += "\r\n$" + std::to_string(value_.size()) + "\r\n";
      output += value_;
    }
    output += "\r\n";
  }

  void flush_all() {
    for (std::size_t i = 0; i < connections_.size(); ++i) {
      if (!connections_[i].output.empty() && !connections_[i].wants_write) flush(i);
    }
  }

  void flush(std::size_t index) {
    Connection& connection = connections_[index];
    const ssize_t written =
        ::send(connection.fd, connection.output.data(), connection.output.size(), MSG_NOSIGNAL);
    if (written > 0) connection.output.erase(0, static_cast<std::size_t>(written));
    if (written < 0 && errno != EAGAIN && errno != EINTR)
      fail(std::string("send: ") + std::strerror(errno));
    watch_writable(index, !connection.output.empty());
  }

  void watch_writable(std::size_t index, bool wanted) {
    Connection& connection = connections_[index];
    if (connection.wants_write == wanted) return;
    connection.wants_write = wanted;
    epoll_event event{};
    event.events = EPOLLIN | (wanted ? static_cast<std::uint32_t>(EPOLLOUT) : 0U);
    event.data.u64 = index;
    epoll_ctl(epoll_, EPOLL_CTL_MOD, connection.fd, &event);
  }

  void poll(std::uint64_t timeout_ns) {
    const timespec timeout{static_cast<time_t>(timeout_ns / (1000 * kMsNs)),
                           static_cast<long>(timeout_ns % (1000 * kMsNs))};
    epoll_event events[64];
    const int count = epoll_pwait2(epoll_, events, 64, &timeout, nullptr);
    for (int i = 0; i < count; ++i) {
      const auto index = static_cast<std::size_t>(events[i].data.u64);
      if ((events[i].events & EPOLLOUT) != 0) flush(index);
      if ((events[i].events & (EPOLLIN | EPOLLERR | EPOLLHUP)) != 0) read(connections_[index]);
    }
  }

  void read(Connection& connection) {
    const ssize_t received = recv(connection.fd, buffer_.data(), buffer_.size(), 0);
    if (received == 0) fail("the server closed a connection");
    if (received < 0) {
      if (errno == EAGAIN || errno == EINTR) return;
      fail(std::string("recv: ") + std::strerror(errno));
    }
    const std::uint64_t now = now_ns();
    connection.scanner.feed({buffer_.data(), static_cast<std::size_t>(received)},
                            [&](bool is_error) {
                              if (connection.in_flight_ns.empty()) fail("a reply to no request");
                              answered(connection.in_flight_ns.front(), now, is_error);
                              connection.in_flight_ns.pop_front();
                            });
    fill(connection);
  }

  void answered(std::uint64_t intended_ns, std::uint64_t at_ns, bool is_error) {
    --outstanding_;
    if (!measured(intended_ns)) return;
    report_.latency.record(at_ns > intended_ns ? at_ns - intended_ns : 0);
    report_.answered_s = static_cast<double>(at_ns - measure_from_ns_) / 1e9;
    if (is_error) ++report_.errors;
  }

  void count_unanswered() { report_.unanswered = report_.sent - report_.latency.total(); }

  const Options& options_;
  int epoll_ = -1;
  std::vector<Connection> connections_;
  std::size_t next_connection_ = 0;
  std::uint64_t outstanding_ = 0;
  std::uint64_t measure_from_ns_ = 0;
  std::uint64_t measure_to_ns_ = 0;
  std::mt19937_64 random_;
  std::string value_;
  std::vector<char> buffer_ = std::vector<char>(1 << 18);
  Report report_;
};

void print_report(const Options& options, const Report& report) {
  const double achieved =
      report.answered_s > 0 ? static_cast<double>(report.latency.total()) / report.answered_s : 0;
  const auto us = [&](double fraction) {
    return static_cast<double>(report.latency.percentile_ns(fraction)) / 1e3;
  };
  const char* format =
      options.json ? "{\"rate_offered\": %.0f, \"rate_achieved\": %.0f, \"p50_us\": %.1f, "
                     "\"p90_us\": %.1f, \"p99_us\": %.1f, "
                     "\"p99_9_us\": %.1f, \"p99_99_us\": %.1f, \"max_us\": %.1f, \"requests\": "
                     "%llu, \"errors\": %llu, "
                     "\"unanswered\": %llu}\n"
                   : "rate offered %.0f/s, achieved %.0f/s\np50 %.1f us\np90 %.1f us\np99 %.1f "
                     "us\np99.9 %.1f us\n"
                     "p99.99 %.1f us\nmax %.1f us\n%llu requests, %llu errors, %llu unanswered\n";
  std::printf(format, options.rate, achieved, us(0.5), us(0.9), us(0.99), us(0.999), us(0.9999),
              static_cast<double>(report.latency.max_ns()) / 1e3,
              static_cast<unsigned long long>(report.latency.total()),
              static_cast<unsigned long long>(report.errors),
              static_cast<unsigned long long>(report.unanswered));
}

}  // namespace
}  // namespace quorate::compat

int main(int argc, char** argv) {
  const auto options = quorate::compat::parse_options(argc, argv);
  quorate::compat::Generator generator(options);
  const auto report = generator.run();
  quorate::compat::print_report(options, report);
  return report.errors > 0 || report.unanswered > 0 ? 2 : 0;
}
