#include "quorate/runtime/crc32c.h"

#include <gtest/gtest.h>
#include <numeric>
#include <string>
#include <vector>

#include "quorate/runtime/random.h"

namespace quorate::runtime {
namespace {

// RFC 3720, appendix B.4.
TEST(Crc32c, KnownAnswers) {
  EXPECT_EQ(crc32c(""), 0u);
  EXPECT_EQ(crc32c("123456789"), 0xe3069283u);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8a9136aau);
  EXPECT_EQ(crc32c(std::string(32, '\xff')), 0x62a8ab43u);
  std::string ascending(32, '\0');
  std::iota(ascending.begin(), ascending.end(), '\0');
  EXPECT_EQ(crc32c(ascending), 0x46dd794eu);
}

TEST(Crc32c, TablesAndInstructionAgreeAtEverySize) {
  const auto random = make_seeded_random(1);
  std::vector<unsigned char> bytes(8192);
  random->fill(bytes);
  for (size_t size = 0; size < 5000; ++size) {
    const size_t offset = random->below(8);
    const auto seed = static_cast<uint32_t>(random->next());
    ASSERT_EQ(crc32c_extend(seed, bytes.data() + offset, size),
              crc32c_extend_portable(seed, bytes.data() + offset, size))
        << "size " << size;
  }
}

TEST(Crc32c, ExtendsPieceByPiece) {
  const auto random = make_seeded_random(2);
  std::vector<unsigned char> bytes(6000);
  random->fill(bytes);
  const uint32_t whole = crc32c_extend(0, bytes.data(), bytes.size());
  for (int round = 0; round < 200; ++round) {
    const size_t cut = random->below(bytes.size() + 1);
    const uint32_t head = crc32c_extend(0, bytes.data(), cut);
    EXPECT_EQ(crc32c_extend(head, bytes.data() + cut, bytes.size() - cut), whole);
  }
}

}  // namespace
}  // namespace quorate::runtime
