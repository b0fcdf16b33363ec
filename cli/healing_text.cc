#include "cli/healing_text.h"

namespace conclave::cli {

std::string duration_text(std::chrono::seconds duration) {
  const auto seconds = duration.count();
  if (seconds < 60) return std::to_string(seconds) + " s";
  if (seconds < 3600) return std::to_string(seconds / 60) + " min";
  if (seconds < 48 * 3600) return std::to_string(seconds / 3600) + " h " + std::to_string(seconds / 60 % 60) + " min";
  return std::to_string(seconds / (24 * 3600)) + " days";
}

std::string healing_text(const dir::v1::Healing& healing) {
  if (healing.chunks_left() == 0) return "";
  std::string out = std::to_string(healing.chunks_left()) + (healing.chunks_left() == 1 ? " chunk" : " chunks") +
                    " to copy or move";
  if (healing.bytes_left() != 0) out += ", about " + std::to_string((healing.bytes_left() >> 20) + 1) + " MiB";
  if (healing.seconds_left() != 0) out += ", " + duration_text(std::chrono::seconds(healing.seconds_left())) + " left";
  if (healing.under_way() == 0) out += "; nothing is copied now: not long enough away yet, or no other server has room";
  return out;
}

JsonObject json_of(const dir::v1::Healing& healing) {
  JsonObject out;
  out.set("chunks_left", healing.chunks_left()).set("bytes_left", healing.bytes_left());
  out.set("seconds_left", healing.seconds_left()).set("under_way", healing.under_way());
  return out.set("chunks_done", healing.chunks_done()).set("bytes_done", healing.bytes_done());
}

}  // namespace conclave::cli
