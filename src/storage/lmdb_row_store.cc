// RowStore on LMDB: rows, checksums and transactions.
//
// Row key: slot, db, hash, big-endian, so that memcmp order is row order. Every value begins with a
// CRC32C of its key and the bytes behind it, so a flipped bit in either shows.
#include <array>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "quorate/runtime/crc32c.h"
#include "quorate/storage/row_store.h"

#include "storage/lmdb_environment.h"

namespace quorate::storage {
namespace {

using runtime::Error;
using runtime::Result;
using runtime::Status;

constexpr size_t kKeyBytes = 12;
constexpr size_t kPrefixBytes = 4;  // slot and db
constexpr size_t kChecksumBytes = 4;
constexpr unsigned kStepsMax = 4;  // a search costs about as much
constexpr size_t kNodeBytes = 10;  // what LMDB adds per row: node header and its entry in the page

using KeyBytes = std::array<unsigned char, kKeyBytes>;

template <class Number>
void put_big_endian(unsigned char* out, Number number) {
  for (size_t i = sizeof(Number); i-- > 0;) *out++ = static_cast<unsigned char>(number >> (8 * i));
}

template <class Number>
Number get_big_endian(const unsigned char* in) {
  Number number = 0;
  for (size_t i = 0; i < sizeof(Number); ++i) number = static_cast<Number>((number << 8) | in[i]);
  return number;
}

KeyBytes encode_key(const RowKey& key) {
  KeyBytes bytes{};
  put_big_endian(bytes.data(), key.slot);
  put_big_endian(bytes.data() + 2, key.db);
  put_big_endian(bytes.data() + kPrefixBytes, key.hash);
  return bytes;
}

// REQUIRES: kKeyBytes bytes.
RowKey decode_key(const MDB_val& value) {
  const auto* bytes = static_cast<const unsigned char*>(value.mv_data);
  return {get_big_endian<uint16_t>(bytes), get_big_endian<uint16_t>(bytes + 2),
          get_big_endian<uint64_t>(bytes + kPrefixBytes)};
}

// LMDB takes keys as pointers to mutable bytes, which it does not change.
MDB_val value_of(const void* bytes, size_t size) { return {size, const_cast<void*>(bytes)}; }
MDB_val value_of(const KeyBytes& key) { return value_of(key.data(), key.size()); }
MDB_val value_of(std::string_view text) { return value_of(text.data(), text.size()); }

std::string_view view_of(const MDB_val& value) {
  return {static_cast<const char*>(value.mv_data), value.mv_size};
}

uint32_t checksum_of(std::string_view key, std::string_view bytes) {
  return runtime::crc32c_extend(runtime::crc32c(key), bytes.data(), bytes.size());
}

void seal_into(void* out, const MDB_val& key, std::string_view bytes) {
  auto* to = static_cast<unsigned char*>(out);
  put_big_endian(to, checksum_of(view_of(key), bytes));
  if (!bytes.empty()) std::memcpy(to + kChecksumBytes, bytes.data(), bytes.size());
}

// The bytes behind the checksum, or nothing if it is wrong.
std::optional<std::string_view> unseal(const MDB_val& key, const MDB_val& value) {
  if (value.mv_size < kChecksumBytes) return std::nullopt;
  const std::string_view bytes = view_of(value).substr(kChecksumBytes);
  const auto stored = get_big_endian<uint32_t>(static_cast<const unsigned char*>(value.mv_data));
  if (stored != checksum_of(view_of(key), bytes)) return std::nullopt;
  return bytes;
}

class LmdbWriteTransaction final : public RowStore::WriteTransaction {
 public:
  // REQUIRES: environment.writing was set by the caller; it is cleared here.
  LmdbWriteTransaction(LmdbEnvironment& environment, MDB_txn* transaction, LmdbCursor cursor)
      : environment_(environment), transaction_(transaction), cursor_(std::move(cursor)) {}

  ~LmdbWriteTransaction() override {
    if (transaction_ != nullptr) abort();
  }

  Status put(const RowKey& key, std::string_view value) override {
    const KeyBytes bytes = encode_key(key);
    const size_t sealed_bytes = kChecksumBytes + value.size();
    const bool on_leaf = sealed_bytes <= environment_.page_bytes / 2;
    const auto before = seek(bytes);
    if (!before) return std::unexpected(before.error());
    if (*before != sealed_bytes || !on_leaf) new_bytes_ += kNodeBytes + kKeyBytes + sealed_bytes;
    return before->has_value() && on_leaf ? replace_current(bytes, value) : insert(bytes, value);
  }

  Status erase(const RowKey& key) override {
    const auto before = seek(encode_key(key));
    if (!before) return std::unexpected(before.error());
    if (!before->has_value()) return {};
    return erase_current();
  }

  Result<uint64_t> erase_slot(uint16_t slot, uint16_t db, uint64_t rows_max) override {
    const KeyBytes from = encode_key({slot, db, 0});
    auto before = seek(from);
    if (!before) return std::unexpected(before.error());
    uint64_t erased = 0;
    int result = 0;
    MDB_val key{};
    MDB_val value{};
    for (auto step = MDB_GET_CURRENT; erased < rows_max && !at_end_; step = MDB_NEXT, ++erased) {
      result = mdb_cursor_get(cursor_.get(), &key, &value, step);
      if (result == MDB_NOTFOUND) break;
      if (result != 0) return fail_for_good(result, "scan rows");
      if (key.mv_size != kKeyBytes) return fail_for_good(MDB_CORRUPTED, "scan rows");
      if (std::memcmp(key.mv_data, from.data(), kPrefixBytes) != 0) break;
      count_touched(value);
      if (auto done = erase_current(); !done) return std::unexpected(done.error());
    }
    return erased;
  }

  Status put_meta(std::string_view name, std::string_view value) override {
    if (failed_) return std::unexpected(*failed_);
    MDB_val key = value_of(name);
    MDB_val data{kChecksumBytes + value.size(), nullptr};
    const int result = mdb_put(transaction_, environment_.meta, &key, &data, MDB_RESERVE);
    if (result != 0) return fail_for_good(result, "put a meta record");
    seal_into(data.mv_data, key, value);
    new_bytes_ += kNodeBytes + name.size() + data.mv_size;
    return {};
  }

  Status erase_meta(std::string_view name) override {
    if (failed_) return std::unexpected(*failed_);
    MDB_val key = value_of(name);
    const int result = mdb_del(transaction_, environment_.meta, &key, nullptr);
    if (result != 0 && result != MDB_NOTFOUND) {
      return fail_for_good(result, "erase a meta record");
    }
    return {};
  }

  uint64_t dirty_bytes() const override {
    return touched_pages_ * environment_.page_bytes + new_bytes_;
  }

  Status commit() override {
    if (failed_) {
      if (transaction_ != nullptr) abort();
      return std::unexpected(*failed_);
    }
    cursor_.reset();
    const int result = mdb_txn_commit(std::exchange(transaction_, nullptr));
    environment_.writing.store(false, std::memory_order_release);
    failed_ = Error{EINVAL, "the transaction in " + environment_.directory + " has ended"};
    if (result != 0) return environment_.failure(result, "commit");
    return {};
  }

 private:
  // LMDB searches the page again, unless it is told that the cursor is there already; then it takes
  // no reserved place.
  Status replace_current(const KeyBytes& key, std::string_view value) {
    MDB_val name = value_of(key);
    scratch_.resize(kChecksumBytes + value.size());
    seal_into(scratch_.data(), name, value);
    MDB_val data = value_of(scratch_);
    const int result = mdb_cursor_put(cursor_.get(), &name, &data, MDB_CURRENT);
    if (result != 0) return fail_for_good(result, "put a row");
    return {};
  }

  Status insert(const KeyBytes& key, std::string_view value) {
    MDB_val name = value_of(key);
    MDB_val data{kChecksumBytes + value.size(), nullptr};
    const int result = mdb_cursor_put(cursor_.get(), &name, &data, MDB_RESERVE);
    if (result != 0) return fail_for_good(result, "put a row");
    seal_into(data.mv_data, name, value);
    return {};
  }

  // Moves to the first row at or behind `key` and counts its page. Returns the bytes its value has
  // if it is the row of this very key.
  Result<std::optional<size_t>> seek(const KeyBytes& bytes) {
    if (failed_) return std::unexpected(*failed_);
    MDB_val key{};
    MDB_val value{};
    const int result = step_to(bytes, key, value);
    at_end_ = result == MDB_NOTFOUND;
    placed_ = result == 0;
    if (at_end_) return std::nullopt;
    if (result != 0) return fail_for_good(result, "find a row");
    count_touched(value);
    if (key.mv_size != kKeyBytes || std::memcmp(key.mv_data, bytes.data(), kKeyBytes) != 0) {
      return std::nullopt;
    }
    return value.mv_size;
  }

  // A checkpoint puts rows in their order and most of those there are: the next one that is wanted
  // is as a rule one of the next there are.
  int step_to(const KeyBytes& bytes, MDB_val& key, MDB_val& value) {
    for (unsigned steps = 0; placed_ && steps < kStepsMax; ++steps) {
      const int result = mdb_cursor_get(cursor_.get(), &key, &value, MDB_NEXT);
      if (result != 0 || key.mv_size != kKeyBytes) break;
      const int order = std::memcmp(key.mv_data, bytes.data(), kKeyBytes);
      if (order == 0) return 0;
      if (order > 0) break;
    }
    key = value_of(bytes);
    return mdb_cursor_get(cursor_.get(), &key, &value, MDB_SET_RANGE);
  }

  // A value in the map is on a page that this transaction has not written to yet but is about to:
  // LMDB will copy that page. One row may thus cost a page, which is what has to be bounded.
  void count_touched(const MDB_val& value) {
    if (!environment_.maps(value.mv_data)) return;
    const auto page = reinterpret_cast<uintptr_t>(value.mv_data) / environment_.page_bytes;
    if (page == last_touched_) return;
    last_touched_ = page;
    ++touched_pages_;
  }

  Status erase_current() {
    placed_ = false;
    const int result = mdb_cursor_del(cursor_.get(), 0);
    if (result != 0) return fail_for_good(result, "erase a row");
    return {};
  }

  // A transaction that failed once cannot be committed; every later call repeats the first reason.
  std::unexpected<Error> fail_for_good(int result, const char* what) {
    auto failure = environment_.failure(result, what);
    failed_ = failure.error();
    return failure;
  }

  void abort() {
    cursor_.reset();
    mdb_txn_abort(std::exchange(transaction_, nullptr));
    environment_.writing.store(false, std::memory_order_release);
  }

  LmdbEnvironment& environment_;
  MDB_txn* transaction_;
  LmdbCursor cursor_;
  std::string scratch_;  // a row to be put
  bool placed_ = false;  // the cursor is at a row that was put or found, none was erased since
  bool at_end_ = false;
  uintptr_t last_touched_ = 0;
  uint64_t touched_pages_ = 0;
  uint64_t new_bytes_ = 0;
  std::optional<Error> failed_;
};

class LmdbReadTransaction final : public RowStore::ReadTransaction {
 public:
  LmdbReadTransaction(const LmdbEnvironment& environment, MDB_txn* transaction)
      : environment_(environment), transaction_(transaction) {}
  ~LmdbReadTransaction() override { mdb_txn_abort(transaction_); }

  Result<std::optional<RowStore::Row>> get(const RowKey& key) override {
    const KeyBytes bytes = encode_key(key);
    MDB_val name = value_of(bytes);
    MDB_val value{};
    const int result = mdb_get(transaction_, environment_.rows, &name, &value);
    if (result == MDB_NOTFOUND) return std::nullopt;
    if (result != 0) return environment_.failure(result, "get a row");
    return row_of(key, name, value);
  }

  Status scan(const RowKey& from, const std::function<bool(const RowStore::Row&)>& visit) override {
    const KeyBytes bytes = encode_key(from);
    auto cursor = environment_.open_cursor(transaction_, environment_.rows);
    if (!cursor) return std::unexpected(cursor.error());
    MDB_val key = value_of(bytes);
    MDB_val value{};
    int result = mdb_cursor_get(cursor->get(), &key, &value, MDB_SET_RANGE);
    while (result == 0) {
      if (key.mv_size != kKeyBytes) return environment_.damage("a row key has a wrong size");
      if (!visit(row_of(decode_key(key), key, value))) return {};
      result = mdb_cursor_get(cursor->get(), &key, &value, MDB_NEXT);
    }
    if (result != MDB_NOTFOUND) return environment_.failure(result, "scan rows");
    return {};
  }

  Result<std::optional<std::string>> get_meta(std::string_view name) override {
    MDB_val key = value_of(name);
    MDB_val value{};
    const int result = mdb_get(transaction_, environment_.meta, &key, &value);
    if (result == MDB_NOTFOUND) return std::nullopt;
    if (result != 0) return environment_.failure(result, "get a meta record");
    const auto bytes = unseal(key, value);
    if (!bytes) return environment_.damage("a meta record has a wrong checksum");
    return std::string(*bytes);
  }

  Status scan_meta(std::string_view prefix,
                   const std::function<void(std::string_view, std::string_view)>& visit) override {
    auto cursor = environment_.open_cursor(transaction_, environment_.meta);
    if (!cursor) return std::unexpected(cursor.error());
    MDB_val key = value_of(prefix);
    MDB_val value{};
    auto step = prefix.empty() ? MDB_FIRST : MDB_SET_RANGE;
    for (;; step = MDB_NEXT) {
      const int result = mdb_cursor_get(cursor->get(), &key, &value, step);
      if (result == MDB_NOTFOUND) return {};
      if (result != 0) return environment_.failure(result, "scan meta records");
      if (!view_of(key).starts_with(prefix)) return {};
      const auto bytes = unseal(key, value);
      if (!bytes) return environment_.damage("a meta record has a wrong checksum");
      visit(view_of(key), *bytes);
    }
  }

  Status refresh() override {
    mdb_txn_reset(transaction_);
    const int result = mdb_txn_renew(transaction_);
    if (result != 0) return environment_.failure(result, "renew a read transaction");
    return {};
  }

 private:
  static RowStore::Row row_of(const RowKey& key, const MDB_val& name, const MDB_val& value) {
    const auto bytes = unseal(name, value);
    return {key, bytes.value_or(std::string_view()), !bytes.has_value()};
  }

  const LmdbEnvironment& environment_;
  MDB_txn* transaction_;
};

class LmdbRowStore final : public RowStore {
 public:
  Status open(const Options& options) { return environment_.open(options); }

  Result<std::unique_ptr<WriteTransaction>> begin_write() override {
    // LMDB would wait for the other writer, for ever if that is the same thread.
    if (environment_.writing.exchange(true, std::memory_order_acquire)) {
      return environment_.failure(EBUSY, "begin a second write transaction");
    }
    MDB_txn* transaction = nullptr;
    const int result = mdb_txn_begin(environment_.handle.get(), nullptr, 0, &transaction);
    if (result != 0) {
      environment_.writing.store(false, std::memory_order_release);
      return environment_.failure(result, "begin a write transaction");
    }
    auto cursor = environment_.open_cursor(transaction, environment_.rows);
    if (!cursor) {
      mdb_txn_abort(transaction);
      environment_.writing.store(false, std::memory_order_release);
      return std::unexpected(cursor.error());
    }
    return std::make_unique<LmdbWriteTransaction>(environment_, transaction, std::move(*cursor));
  }

  Result<std::unique_ptr<ReadTransaction>> begin_read() override {
    MDB_txn* transaction = nullptr;
    const int result = mdb_txn_begin(environment_.handle.get(), nullptr, MDB_RDONLY, &transaction);
    if (result != 0) return environment_.failure(result, "begin a read transaction");
    return std::make_unique<LmdbReadTransaction>(environment_, transaction);
  }

  Statistics statistics() const override {
    Statistics found;
    found.file_bytes = environment_.file_bytes();
    MDB_txn* transaction = nullptr;
    if (mdb_txn_begin(environment_.handle.get(), nullptr, MDB_RDONLY, &transaction) != 0) {
      return found;
    }
    for (const MDB_dbi database : {environment_.rows, environment_.meta}) {
      MDB_stat tree{};
      if (mdb_stat(transaction, database, &tree) != 0) continue;
      if (database == environment_.rows) found.rows = tree.ms_entries;
      found.used_bytes +=
          (tree.ms_branch_pages + tree.ms_leaf_pages + tree.ms_overflow_pages) * tree.ms_psize;
    }
    mdb_txn_abort(transaction);
    return found;
  }

 private:
  LmdbEnvironment environment_;
};

}  // namespace

Result<std::unique_ptr<RowStore>> RowStore::open(const Options& options) {
  auto store = std::make_unique<LmdbRowStore>();
  if (auto opened = store->open(options); !opened) return std::unexpected(opened.error());
  return store;
}

}  // namespace quorate::storage
