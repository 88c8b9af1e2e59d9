#include "quorate/runtime/digest.h"

#include <gtest/gtest.h>
#include <string>

namespace quorate::runtime {
namespace {

// RFC 1321, appendix A.5.
TEST(Md5, AnswersTheTestSuiteOfItsRfc) {
  EXPECT_EQ(md5(""), (Md5{0xd4, 0x1d, 0x8c, 0xd9, 0x8f, 0x00, 0xb2, 0x04, 0xe9, 0x80, 0x09, 0x98,
                          0xec, 0xf8, 0x42, 0x7e}));
  EXPECT_EQ(md5("message digest"), (Md5{0xf9, 0x6b, 0x69, 0x7d, 0x7c, 0xb7, 0x93, 0x8d, 0x52, 0x5a,
                                        0x2f, 0x31, 0xaa, 0xf1, 0x61, 0xd0}));
}

std::string hex(const Sha256& digest) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (const uint8_t byte : digest) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

// RFC 4231, cases 1, 2 and 6 (a key longer than a block).
TEST(HmacSha256, AnswersTheTestCasesOfItsRfc) {
  EXPECT_EQ(hex(hmac_sha256(std::string(20, '\x0b'), "Hi There")),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
  EXPECT_EQ(hex(hmac_sha256("Jefe", "what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_EQ(hex(hmac_sha256(std::string(131, '\xaa'),
                            "Test Using Larger Than Block-Size Key - Hash Key First")),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

TEST(HmacSha256, TakesAnEmptyKey) {
  const std::string expected = "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad";
  EXPECT_EQ(hex(hmac_sha256("", "")), expected);
  EXPECT_EQ(hex(hmac_sha256({}, {})), expected);
}

TEST(EqualInConstantTime, ComparesBytesAndSizes) {
  EXPECT_TRUE(equal_in_constant_time("", {}));
  EXPECT_TRUE(equal_in_constant_time({"a\0b", 3}, {"a\0b", 3}));
  EXPECT_FALSE(equal_in_constant_time({"a\0b", 3}, {"a\0c", 3}));
  EXPECT_FALSE(equal_in_constant_time("ab", "abc"));
}

}  // namespace
}  // namespace quorate::runtime
