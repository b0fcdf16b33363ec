# cmake -DIN=schema.sql -DOUT=schema_sql.h -P embed_sql.cmake: the schema as a constant.
file(READ ${IN} sql)
file(WRITE ${OUT} "// Generated from schema.sql.\n#pragma once\n#include <string_view>\nnamespace conclave::dir {\ninline constexpr std::string_view kSchemaSql = R\"sql(${sql})sql\";\n}  // namespace conclave::dir\n")
