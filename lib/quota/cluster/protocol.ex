defmodule Quota.Cluster.Protocol do
  @moduledoc false
  # The messages between nodes, all of which are sent over Erlang's distribution:
  #
  #     server -> server   {Protocol, :view, version, pid, view}          see `Quota.Cluster.Server`
  #     caller -> runner   spawned there as `Runner.start(version, request)`
  #     runner -> caller   {ref, {:version, version}}                     it speaks another version
  #                        {ref, {:refused, reason, view}}                nothing was started
  #                        {ref, {:failed, kind, reason, stacktrace}}     nothing was started
  #     worker -> caller   {ref, {:admitted, worker}}                     its memory is reserved there
  #     caller -> worker   {ref, :go, {module, function, arguments}, context}, or {ref, :cancel}
  #     runner -> caller   {ref, {:done, outcome}}
  #
  # Arguments are sent after the admission: before that a node has not reserved the memory for them. Work has begun when `:go` was
  # sent, and not before.
  #
  # `Runner.start/2` and `{Protocol, :view, version, pid, view}` keep their shape in every version. All else may change with it: the
  # messages, `Quota.Cluster.Views`, the structs of errors.

  @version 1

  @doc "The version of this node. Nodes with another one are not asked."
  def version, do: @version
end
