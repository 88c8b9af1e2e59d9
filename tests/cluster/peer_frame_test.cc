#include "quorate/cluster/peer_frame.h"

#include <gtest/gtest.h>
#include <string>
#include <vector>

#include "quorate/runtime/random.h"

#include "cluster/owned_message.h"

namespace quorate::cluster {
namespace {

void add(FrameWriter& writer, const OwnedMessage& message) {
  ASSERT_TRUE(writer.add(message.type, [&](std::string& out) { out += message.body; }));
}

std::string frame_of(const std::vector<OwnedMessage>& messages) {
  std::string out;
  FrameWriter writer(out);
  for (const OwnedMessage& message : messages) add(writer, message);
  writer.seal();
  return out;
}

// A frame around whatever bytes, with the right length and checksum.
std::string framed(std::string_view payload) {
  std::string frame(kFrameHeaderBytes, '\0');
  frame += payload;
  seal_frame(frame);
  return frame;
}

// What the reader makes of the bytes in one piece.
std::vector<OwnedMessage> read_all(FrameReader& reader, std::string_view bytes) {
  std::vector<OwnedMessage> messages;
  reader.feed(bytes);
  while (const auto message = reader.next()) {
    messages.push_back({message->type, std::string(message->body)});
  }
  return messages;
}

std::string refusal_of(std::string_view bytes) {
  FrameReader reader;
  EXPECT_TRUE(read_all(reader, bytes).empty());
  return reader.status() ? "" : reader.status().error().message;
}

std::vector<OwnedMessage> draw_messages(runtime::Random& random, size_t count) {
  std::vector<OwnedMessage> messages(count);
  for (OwnedMessage& message : messages) {
    message.type = static_cast<uint8_t>(random.next());
    message.body.resize(random.below(10) == 0 ? random.below(5000) : random.below(40));
    random.fill({reinterpret_cast<unsigned char*>(message.body.data()), message.body.size()});
  }
  return messages;
}

TEST(PeerFrame, LooksAsItsHeaderSays) {
  EXPECT_EQ(frame_of({{7, "ab"}, {0, ""}}), std::string("\x0c\0\0\0"
                                                        "\x6f\xe9\x58\xcf"
                                                        "\x07\x02\0\0\0ab"
                                                        "\0\0\0\0\0",
                                                        20));
}

TEST(PeerFrame, MessagesOfATurnShareAFrame) {
  const std::vector<OwnedMessage> sent{{1, "first"}, {2, ""}, {255, std::string(70'000, 'x')}};
  const std::string bytes = frame_of(sent);
  FrameReader reader;
  EXPECT_EQ(read_all(reader, bytes), sent);
  EXPECT_EQ(reader.frames(), 1u);
  EXPECT_TRUE(reader.status());
}

TEST(PeerFrame, OnlyTheLastMessageEndsItsFrame) {
  const std::string bytes = frame_of({{1, "a"}, {2, "b"}}) + frame_of({{3, "c"}});
  FrameReader reader;
  reader.feed(bytes);
  for (const bool ends : {false, true, true}) EXPECT_EQ(reader.next()->ends_frame, ends);
  EXPECT_FALSE(reader.next());
}

TEST(PeerFrame, ComesBackFromAnyPieces) {
  const auto random = runtime::make_seeded_random(1);
  for (int round = 0; round < 200; ++round) {
    std::vector<OwnedMessage> sent;
    std::string bytes;
    for (uint64_t frames = random->below(6); frames > 0; --frames) {
      const auto messages = draw_messages(*random, 1 + random->below(5));
      sent.insert(sent.end(), messages.begin(), messages.end());
      bytes += frame_of(messages);
    }
    FrameReader reader;
    std::vector<OwnedMessage> got;
    const uint64_t longest = 1 + random->below(round % 2 == 0 ? 8 : 9000);
    for (size_t at = 0; at < bytes.size();) {
      // A copy that goes away: nothing may point into an earlier piece.
      const std::string piece = bytes.substr(at, 1 + random->below(longest));
      const auto messages = read_all(reader, piece);
      got.insert(got.end(), messages.begin(), messages.end());
      at += piece.size();
    }
    ASSERT_EQ(got, sent);
    ASSERT_TRUE(reader.status());
  }
}

TEST(PeerFrame, WhatIsWholeIsReadWhereItStands) {
  const std::string bytes = frame_of({{1, "a body"}}) + frame_of({{2, "another"}});
  FrameReader reader;
  reader.feed(bytes);
  while (const auto message = reader.next()) {
    EXPECT_GE(message->body.data(), bytes.data());
    EXPECT_LT(message->body.data(), bytes.data() + bytes.size());
  }
  EXPECT_EQ(reader.frames(), 2u);
}

constexpr size_t kLargeBytes = size_t{32} << 20;

TEST(PeerFrame, ALengthIsNotBelievedBeforeItsBytesAreHere) {
  std::string bytes = frame_of({{1, std::string(kLargeBytes, 'x')}});
  FrameReader reader;
  EXPECT_TRUE(read_all(reader, std::string_view(bytes).substr(0, 1000)).empty());
  EXPECT_LT(reader.held_bytes(), 4096u);
  EXPECT_EQ(read_all(reader, std::string_view(bytes).substr(1000)).size(), 1u);
  EXPECT_TRUE(read_all(reader, frame_of({{1, "small"}}).substr(0, 9)).empty());
  EXPECT_LT(reader.held_bytes(), 4096u) << "the room of a long frame is given back";
}

TEST(PeerFrame, AFullFrameTakesNoFurtherMessage) {
  std::string out;
  FrameWriter writer(out);
  add(writer, {1, std::string(kFrameBatchBytes - kMessageHeaderBytes - 1, 'x')});
  add(writer, {2, std::string(kLargeBytes, 'y')});
  add(writer, {3, "z"});
  writer.seal();
  EXPECT_EQ(writer.frames(), 2u);
  FrameReader reader;
  const auto got = read_all(reader, out);
  ASSERT_EQ(got.size(), 3u) << reader.status().error().message;
  EXPECT_EQ(got[1].body.size(), kLargeBytes);
  EXPECT_EQ(got[2], (OwnedMessage{3, "z"}));
  EXPECT_EQ(reader.frames(), 2u);
}

TEST(PeerFrame, AMessageThatIsTooLongLeavesNoTrace) {
  constexpr size_t kBytesMax = 100'000;
  const auto too_long = [](std::string& out) { out.append(kBytesMax + 1, 'x'); };
  std::string out;
  FrameWriter writer(out, kBytesMax);
  EXPECT_FALSE(writer.add(1, too_long));
  EXPECT_FALSE(writer.open());
  EXPECT_TRUE(out.empty());
  add(writer, {2, "before"});
  EXPECT_FALSE(writer.add(1, too_long));
  add(writer, {3, "after"});
  writer.seal();
  EXPECT_EQ(out, frame_of({{2, "before"}, {3, "after"}}));
}

TEST(PeerFrame, SealingNothingWritesNothing) {
  std::string out = "what was there";
  FrameWriter writer(out);
  writer.seal();
  EXPECT_EQ(out, "what was there");
  EXPECT_EQ(writer.frames(), 0u);
}

TEST(PeerFrame, ACutFrameIsNoErrorAndNoMessage) {
  const std::string bytes = frame_of({{1, "a body"}, {2, "another"}});
  for (size_t size = 0; size < bytes.size(); ++size) {
    const std::string cut = bytes.substr(0, size);
    FrameReader reader;
    EXPECT_TRUE(read_all(reader, cut).empty()) << size;
    EXPECT_TRUE(reader.status()) << size;
  }
}

TEST(PeerFrame, NoFlippedBitGoesUnnoticed) {
  const std::string bytes = frame_of({{1, "a body"}, {2, "another"}});
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    std::string flipped = bytes;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    FrameReader reader;
    EXPECT_TRUE(read_all(reader, flipped).empty()) << bit;
    // A length that became greater waits for the rest.
    EXPECT_TRUE(bit < 32 || !reader.status()) << bit;
  }
}

TEST(PeerFrame, SaysWhatIsWrong) {
  EXPECT_NE(refusal_of(framed("")).find("a frame of 0 bytes"), std::string::npos);
  EXPECT_NE(refusal_of(std::string("\xff\xff\xff\xff\0\0\0\0", 8)).find("4294967295 bytes"),
            std::string::npos);
  EXPECT_NE(refusal_of(framed("\x01\x02")).find("cut by the end of its frame"), std::string::npos);
  EXPECT_NE(refusal_of(framed({"\x09\x03\0\0\0ab", 7})).find("type 9 and 3 bytes"),
            std::string::npos);
  std::string damaged = frame_of({{1, "body"}});
  damaged.back() = 'i';
  EXPECT_NE(refusal_of(damaged).find("checksum"), std::string::npos);
}

TEST(PeerFrame, NothingComesAfterAnError) {
  FrameReader reader;
  const std::string good = frame_of({{1, "good"}});
  EXPECT_EQ(read_all(reader, good + framed({"\x09\x03\0\0\0ab", 7}) + good).size(), 1u);
  EXPECT_FALSE(reader.status());
  EXPECT_TRUE(read_all(reader, good).empty());
  EXPECT_FALSE(reader.status());
}

TEST(PeerFrame, RandomBytesNeverCrash) {
  const auto random = runtime::make_seeded_random(2);
  for (int i = 0; i < 20'000; ++i) {
    std::string payload(random->below(60), '\0');
    for (char& byte : payload) byte = static_cast<char>(random->next() >> random->below(64));
    FrameReader reader;
    size_t bytes = 0;
    for (const OwnedMessage& message : read_all(reader, framed(payload))) {
      bytes += kMessageHeaderBytes + message.body.size();
    }
    EXPECT_EQ(reader.status().has_value(), bytes == payload.size() && bytes != 0);
  }
}

}  // namespace
}  // namespace quorate::cluster
