#include "cli/json.h"

#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>

namespace conclave::cli {
namespace {

TEST(Json, IsWrittenInTheOrderItWasFilled) {
  JsonObject inner;
  inner.set("b", true).set("a", 1);
  JsonList list;
  list.add("x").add(inner);
  EXPECT_EQ(JsonObject().set("z", "1").set("list", list).set("none", JsonList()).text(),
            "{\n  \"z\": \"1\",\n  \"list\": [\n    \"x\",\n    {\n      \"b\": true,\n      \"a\": 1\n    }\n  ],\n"
            "  \"none\": []\n}\n");
}

TEST(Json, EveryByteComesBackOrIsReplaced) {
  for (int byte = 0; byte < 256; ++byte) {
    const std::string text{'a', static_cast<char>(byte), 'b'};
    google::protobuf::Struct parsed;
    const auto status = google::protobuf::util::JsonStringToMessage(JsonObject().set("t", text).text(), &parsed);
    ASSERT_TRUE(status.ok()) << byte << ": " << status.ToString();
    const std::string back = parsed.fields().at("t").string_value();
    EXPECT_TRUE(back == text || back == "a?b") << byte;
    const bool plain = (byte >= 0x20 && byte < 0x7f) || byte == '\n' || byte == '\t';
    EXPECT_TRUE(back == text || !plain) << byte;
  }
}

}  // namespace
}  // namespace conclave::cli
