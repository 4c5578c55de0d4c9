defmodule Bounded do
  @external_resource "README.md"
  @moduledoc since: "0.1.0"
  @moduledoc "README.md"
             |> File.read!()
             |> String.split("<!-- MDOC -->")
             |> Enum.at(1)
end
